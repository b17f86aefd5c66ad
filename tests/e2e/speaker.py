"""Says marked words to the running system: wherever a caller may put some, and wherever none may be."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import httpx
import orjson

from services.local.supervisor import Stack
from shared.clock import now
from tests.e2e.marks import Marks
from tests.e2e.site import ADMIN, ANN, AUTHOR, SPACE, approvers

Headers = Mapping[str, str | bytes]
TOO_LARGE = 400_000


@dataclass(slots=True)
class Speaker:
    """A site, every request of which carries words in headers and query.

    ``answers`` are all it got, ``planted`` the values of records that no service of ours would write.
    """

    stack: Stack
    client: httpx.AsyncClient
    marks: Marks
    site: str
    answers: list[bytes] = field(default_factory=list)
    planted: set[bytes] = field(default_factory=set)

    def bearer(self, account: str | None = None, **said: Any) -> str:
        """A person's token, or the app's own."""
        return f"Bearer {self._noted(self.stack.issuer.forge(self.site, account, **said))}"

    def jwt(self, method: str, path: str, account: str | None = None) -> str:
        """A token of the local Connect tenant."""
        return f"JWT {self._noted(self.stack.issuer.connect(account, method, path))}"

    def _noted(self, token: str) -> str:
        for part in token.split(".")[1:]:
            self.marks.note("token", part)
        return token

    def junk_token(self) -> str:
        """Something in the shape of a token."""
        head = {"alg": "RS256", "kid": self.marks["value"], "typ": self.marks["value"]}
        parts = (head, {"principal": self.marks["name"], "iss": self.marks["value"]}, {self.marks["field"]: 1})
        return ".".join(urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts)

    async def say(
        self, method: str, path: str, body: Any = None, signed: str | None = None, *, service: str = "command", query: bool = True,
        extra: Headers = MappingProxyType({}),
    ) -> httpx.Response:
        """One request, and keep what is answered: its status, headers and body."""
        mark = self.marks["header"]
        named: dict[str, str | bytes] = {
            "Host": f"{mark}.example", "User-Agent": mark, "Referer": f"https://{mark}.example/", "X-Forwarded-For": mark, "X-Note": mark,
            "Cookie": f"session={mark}", "traceparent": f"00-{token_hex(16)}-{token_hex(8)}-01", "tracestate": f"vendor={mark}",
            "baggage": f"{mark}={mark}", "Content-Type": "application/json",
        }
        named |= {} if signed is None else {"Authorization": signed}
        address = self.stack.address(service) + path + (f"{'&' if '?' in path else '?'}note={self.marks['query']}" if query else "")
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        sent = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in {**named, **extra}.items()]
        response = await self.client.request(method, address, content=content, headers=sent)
        answered = b"".join(b"%s: %s\n" % pair for pair in response.headers.raw)
        self.answers.append(b"%d\n" % response.status_code + answered + response.content)
        return response

    async def command(
        self, method: str, path: str, body: Any, account: str | None = ADMIN, extra: Headers = MappingProxyType({}),
    ) -> httpx.Response:
        """A command of a person, or of the app, whose outcome is waited for."""
        more = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=10"}
        return await self.say(method, path, body, self.bearer(account), extra={**more, **extra})

    async def done(self, method: str, path: str, body: Any, account: str | None = ADMIN) -> dict[str, Any]:
        """A command that must be applied."""
        response = await self.command(method, path, body, account)
        assert response.status_code == 200, response.text
        outcome: dict[str, Any] = response.json()
        return outcome

    async def workflow(self) -> str:
        """A new workflow with a telling name."""
        name = self.marks["workflow"]
        step = {"name": name, "approvers": approvers(ANN, ADMIN), "rule": {"kind": "all"}}
        body = {"space_id": SPACE, "definition": {"name": name, "steps": [step]}}
        return str((await self.done("POST", "/v1/workflows", body))["workflow_id"])

    async def submit(self, page: str, workflow: str) -> str:
        """A page put up for approval."""
        body = {"page_version": 1, "space_id": SPACE, "workflow_id": workflow}
        return str((await self.done("POST", f"/v1/pages/{page}/approvals", body, AUTHOR))["approval_id"])

    async def decide(
        self, approval: str, account: str, verdict: str = "approve", version: int = 1, wait: int = 10,
    ) -> httpx.Response:
        """A decision, with a comment."""
        body = {"page_version": version, "verdict": verdict, "comment": f"Once more: {self.marks['comment']}!"}
        return await self.command("POST", f"/v1/approvals/{approval}/decisions", body, account, {"Prefer": f"wait={wait}"})

    def hook(self, **changes: Any) -> dict[str, Any]:
        """A page event as Forge sends it, with all that it may say beside what matters."""
        marks = self.marks
        person = {"accountId": AUTHOR, "displayName": marks["name"], "publicName": marks["name"], "email": f"{marks['mail']}@example.org"}
        content: Mapping[str, Any] = {
            "id": "7001", "type": "page", "title": marks["title"], "body": {"storage": {"value": f"<p>{marks['hook']}</p>"}},
            "space": {"id": int(SPACE), "name": marks["title"]}, "history": {"createdBy": person},
            "version": {"number": 1, "message": marks["hook"], "by": person}, marks["field"]: marks["hook"],
        }
        body = {"eventType": "avi:confluence:updated:page", "atlassianId": AUTHOR, "eventCreatedDate": now().isoformat()}
        return {**body, marks["field"]: marks["hook"], "content": {**content, **changes.pop("content", {})}, **changes}

    async def post_forge(self, body: Any) -> httpx.Response:
        """A webhook of the Forge app."""
        return await self.say("POST", "/webhooks/forge", body, self.bearer())

    async def post_connect(self, event: str, body: Any, *, elsewhere: bool = False, in_query: bool = False) -> httpx.Response:
        """A webhook of the local Connect tenant; its token may be in the query, or for another path."""
        path = f"/webhooks/connect/{event}?lic=active&note={self.marks['query']}"
        token = self.jwt("POST", "/elsewhere" if elsewhere else path)
        if in_query:
            return await self.say("POST", f"{path}&jwt={token.removeprefix('JWT ')}", body, query=False)
        return await self.say("POST", path, body, token, query=False)

    async def post_data_center(self, body: Any, *, forged: bool = False, site: str = "local-dc") -> httpx.Response:
        """A webhook of the local Data Center site."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        signature = self.stack.issuer.data_center("local-dc", content + b" " if forged else content)["X-Hub-Signature"]
        self.marks.note("token", signature.removeprefix("sha256="))
        return await self.say("POST", f"/webhooks/data-center?site={site}", content, extra={"X-Hub-Signature": signature})
