"""What people say at the console, in forms that are taken and in every way in which they are not."""

from typing import Any

import httpx

from shared.clock import now
from tests.e2e.session import cookie
from tests.e2e.site import ADMIN, ANN
from tests.e2e.speaker import Speaker

OURS = {"Sec-Fetch-Site": "same-origin"}


async def visited(s: Speaker) -> None:
    """Decide with a comment; be refused, malformed, cross-origin, unknown, signed out; name what cannot be, in paths and queries."""
    await s.done("PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None)
    approval = await s.submit("905", await s.workflow())
    path = f"/approvals/{approval}/decisions"
    said = {"page_version": 1, "step": 0, "round": 1, "version": 1, "key": "a" * 32, "verdict": "approve", "comment": s.marks["comment"]}
    async with visitor(s, ANN) as ann:
        await refused(s, ann, path, said)
        assert (await ann.post(path, data=said, headers=OURS)).status_code == 303
        assert s.marks["comment"] in (await ann.get(f"/approvals/{approval}")).text
        assert (await ann.post(path, data=said | {"key": "b" * 32}, headers=OURS)).status_code == 409
        assert (await ann.post(path, data=said | {"key": s.marks["value"]}, headers=OURS)).status_code == 422
    async with visitor(s, ANN, lifetime=-60) as nobody:
        answer = await nobody.post(path, data=said, headers=OURS)
        assert (answer.status_code, s.marks["comment"] in answer.text) == (401, True)
    async with visitor(s, ADMIN, operator=True) as operator:
        for unknown in (f"/operations/{s.marks['id']}", f"/operations/audit?site={s.marks['id']}!&page={s.marks['id']}!"):
            await operator.get(unknown)


async def refused(s: Speaker, ann: httpx.AsyncClient, path: str, said: dict[str, Any]) -> None:
    """Whatever is wrong with a form or an address."""
    value, ident = s.marks["value"], s.marks["id"]
    for wrong in ({"verdict": value}, {"page_version": value}, {"step": value}, {"page_version": 9}):
        assert (await ann.post(path, data=said | {"key": "c" * 32} | wrong, headers=OURS)).status_code in {409, 422}, wrong
    assert (await ann.post(path, data=said, headers={"Origin": f"https://{ident}.example"})).status_code == 403
    assert (await ann.post(path, content=s.marks["comment"].encode() * 20_000, headers=OURS)).status_code in {413, 422}
    for address in (
        f"/approvals/{ident}", f"/approvals/{ident}!", f"/pages/{ident}", f"/{ident}", f"/?space={ident}!", f"/?cursor={value}",
        f"/signin/callback?code={s.marks['token']}&state={value}", f"/workflows/{ident}", f"/reports?space={ident}",
    ):
        assert (await ann.get(address)).status_code >= 400, address


def visitor(s: Speaker, account: str, *, operator: bool = False, lifetime: float = 900) -> httpx.AsyncClient:
    """Somebody whose browser tells of more than it need."""
    cookies = cookie(s.stack, s.site, account, name=s.marks["name"], operator=operator, lifetime=lifetime)
    for kept in cookies.values():
        s.marks.note("token", kept)
    return httpx.AsyncClient(
        base_url=s.stack.address("console"), cookies=cookies, timeout=20,
        headers={"User-Agent": s.marks["header"], "Referer": f"https://{s.marks['header']}.example/"},
    )
