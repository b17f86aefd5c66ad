"""The local OpenID Connect provider: whom it lets in, and what it hands out to whom."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from services.local import provider
from services.local.authorisation import CODE_SECONDS, SESSION_SECONDS, TRIES, TRY_SECONDS
from services.local.child import DidNotStart, free_port
from services.local.issuer import OIDC_CLIENT, PROVIDER, LocalIssuer
from services.local.served import served
from shared.clock import now
from shared.contracts.base import Environment
from shared.identity import Trust, verify_identity
from shared.keys import KeySource
from shared.tokens import Principal, Unauthenticated

CONSOLE = "http://console.test/base"
CALLBACK = f"{CONSOLE}/signin/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "client_id": OIDC_CLIENT, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s t", "nonce": "n",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}
REDEEMED = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
TRUST = Trust(PROVIDER, OIDC_CLIENT, "site_id", "sub", "roles", Environment.PRODUCTION)


def said(response: httpx.Response) -> dict[str, str]:
    """What a redirect to the console brings."""
    assert response.status_code == 303, response.text
    to = urlsplit(response.headers["location"])
    assert f"{to.scheme}://{to.netloc}{to.path}" == CALLBACK
    return dict(parse_qsl(to.query))


@dataclass
class Browser:
    """Somebody at the form."""

    http: httpx.AsyncClient
    issuer: LocalIssuer
    clock: list[float]

    async def ask(self, **changes: str) -> httpx.Response:
        """Open the form; an empty change leaves that out."""
        return await self.http.get("/authorize", params={name: value for name, value in (ASKED | changes).items() if value})

    async def fill(self, password: str | None = None, **changes: str) -> httpx.Response:
        """Post the form."""
        form = {"site": "acme", "account": "ann", "password": self.issuer.sign_in_password if password is None else password}
        return await self.http.post("/authorize", params=ASKED, data=form | changes)

    async def code(self, **changes: str) -> str:
        """A code, by signing in."""
        return said(await self.fill(**changes))["code"]

    async def redeem(self, code: str, secret: str | None = None, **changes: str) -> httpx.Response:
        """What the console does with a code."""
        auth = (OIDC_CLIENT, self.issuer.oidc_client_secret if secret is None else secret)
        return await self.http.post("/token", data=REDEEMED | {"code": code} | changes, auth=auth)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    return LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"))


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def app(issuer: LocalIssuer, clock: list[float]) -> Starlette:
    return provider.application(issuer, CONSOLE, clock=lambda: clock[0])


@pytest_asyncio.fixture
async def browser(app: Starlette, issuer: LocalIssuer, clock: list[float]) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PROVIDER) as http:
        yield Browser(http, issuer, clock)


async def verified(browser: Browser, token: str) -> Principal:
    """Who it is, by the keys the provider shows."""
    configuration = (await browser.http.get("/.well-known/openid-configuration")).json()
    keys = await KeySource(configuration["jwks_uri"], browser.http).keys_for(token)
    return verify_identity(token, keys, TRUST, now())


async def test_who_signs_in_is_known_to_the_console_as_what_they_said(browser: Browser) -> None:
    brought = said(await browser.fill(operator="on"))
    assert (brought["state"], brought["iss"]) == ("s t", PROVIDER)
    answer = await browser.redeem(brought["code"])
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    principal = await verified(browser, tokens["id_token"])
    assert (principal.site_id, principal.caller.account_id, principal.operator) == ("acme", "ann", True)
    claims = orjson.loads(base64.urlsafe_b64decode(tokens["id_token"].split(".")[1] + "=="))
    assert (claims["nonce"], claims["name"], claims["exp"] - claims["iat"]) == ("n", "ann", 900)


async def test_only_who_says_so_is_an_operator(browser: Browser) -> None:
    tokens = (await browser.redeem(await browser.code())).json()
    assert not (await verified(browser, tokens["id_token"])).operator


async def test_every_endpoint_it_names_is_there(browser: Browser) -> None:
    configuration = (await browser.http.get("/.well-known/openid-configuration")).json()
    assert configuration["issuer"] == PROVIDER
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"):
        assert (await browser.http.get(configuration[name])).status_code != 404, name


async def test_the_form_runs_no_script_and_may_only_go_to_the_console(browser: Browser) -> None:
    form = await browser.ask()
    assert form.status_code == 200
    policy = form.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://console.test" in policy
    for name in ("site", "account", "password"):
        assert f'<label for="{name}">' in form.text
        assert f'id="{name}" name="{name}"' in form.text
    assert (await browser.http.get("/sign-in.css")).headers["content-type"].startswith("text/css")
    again = await browser.fill("wrong", account='"><script>')
    assert "<script>" not in again.text
    assert "&lt;script&gt;" in again.text


async def test_a_wrong_password_gets_the_form_again_and_no_session(browser: Browser) -> None:
    answer = await browser.fill("wrong")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert 'value="ann"' in answer.text
    assert "set-cookie" not in answer.headers
    assert said(await browser.ask(prompt="none"))["error"] == "login_required"


async def test_too_many_wrong_passwords_make_even_the_right_one_wait(browser: Browser) -> None:
    for _ in range(TRIES):
        assert (await browser.fill("wrong")).status_code == 401
    held_up = await browser.fill()
    assert (held_up.status_code, held_up.headers["retry-after"]) == (429, "30")
    browser.clock[0] += TRY_SECONDS
    assert said(await browser.fill())["code"]


@pytest.mark.parametrize("wrong", [{"site": "a:b"}, {"account": "unknown"}, {"account": ""}])
async def test_nobody_can_be_who_could_not_be_on_a_site(browser: Browser, wrong: dict[str, str]) -> None:
    answer = await browser.fill(**wrong)
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("foreign", [
    {"client_id": "other"}, {"client_id": ""}, {"redirect_uri": ""}, {"redirect_uri": "http://console.test.evil/base/signin/callback"},
    {"redirect_uri": f"{CALLBACK}/../x"},
])
async def test_nobody_is_sent_anywhere_but_to_the_console(browser: Browser, foreign: dict[str, str]) -> None:
    answer = await browser.ask(**foreign)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(("changes", "error"), [
    ({"response_type": "token"}, "unsupported_response_type"), ({"scope": "email"}, "invalid_scope"),
    ({"code_challenge": ""}, "invalid_request"), ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": ""}, "invalid_request"), ({"nonce": ""}, "invalid_request"),
])
async def test_what_is_not_granted_the_console_hears_of(browser: Browser, changes: dict[str, str], error: str) -> None:
    assert said(await browser.ask(**changes)) == {"error": error, "state": "s t", "iss": PROVIDER}


async def test_a_code_serves_once(browser: Browser) -> None:
    code = await browser.code()
    assert (await browser.redeem(code)).status_code == 200
    again = await browser.redeem(code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


async def test_a_code_holds_for_a_minute(browser: Browser) -> None:
    early, late = await browser.code(), await browser.code()
    browser.clock[0] += CODE_SECONDS - 1
    assert (await browser.redeem(early)).status_code == 200
    browser.clock[0] += 1
    assert (await browser.redeem(late)).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("changes", [{"code_verifier": "w" * 43}, {"code_verifier": ""}, {"redirect_uri": f"{CONSOLE}/"}])
async def test_a_code_is_bound_to_what_was_asked_and_lost_by_a_wrong_try(browser: Browser, changes: dict[str, str]) -> None:
    code = await browser.code()
    assert (await browser.redeem(code, **changes)).json() == {"error": "invalid_grant"}
    assert (await browser.redeem(code)).json() == {"error": "invalid_grant"}


async def test_only_the_console_exchanges_codes(browser: Browser) -> None:
    code = await browser.code()
    answer = await browser.redeem(code, secret="wrong")
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert (await browser.http.post("/token", data=REDEEMED | {"code": code})).status_code == 401
    assert (await browser.redeem(code, grant_type="password")).json() == {"error": "unsupported_grant_type"}
    assert (await browser.redeem(code)).status_code == 200


async def test_who_is_signed_in_is_not_asked_again_until_the_session_ends(browser: Browser) -> None:
    await browser.fill()
    assert (await browser.redeem(said(await browser.ask(prompt="none"))["code"])).status_code == 200
    assert said(await browser.ask())["code"]
    assert "<form" in (await browser.ask(prompt="login")).text
    browser.clock[0] += SESSION_SECONDS
    assert said(await browser.ask(prompt="none"))["error"] == "login_required"


async def test_the_session_is_the_browsers_alone(browser: Browser) -> None:
    cookie = (await browser.fill()).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_signing_out_ends_the_session_and_goes_back_to_the_console(browser: Browser) -> None:
    await browser.fill()
    shown = dict(browser.http.cookies)
    for foreign in ("http://evil.test/", "http://console.test/based", f"{CONSOLE}.evil/"):
        answer = await browser.http.get("/sign-out", params={"post_logout_redirect_uri": foreign})
        assert (answer.status_code, answer.headers.get("location")) == (400, None)
    assert said(await browser.ask(prompt="none"))["code"]
    answer = await browser.http.get("/sign-out", params={"post_logout_redirect_uri": f"{CONSOLE}/signed-out", "state": "x"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{CONSOLE}/signed-out?state=x")
    browser.http.cookies.update(shown)
    assert said(await browser.ask(prompt="none"))["error"] == "login_required"


async def test_an_id_token_lives_as_long_as_it_is_told(app: Starlette, issuer: LocalIssuer) -> None:
    brief = provider.application(issuer, CONSOLE, lifetime=7)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(brief), base_url=PROVIDER) as http:
        browser = Browser(http, issuer, [])
        tokens = (await browser.redeem(await browser.code())).json()
        principal = await verified(browser, tokens["id_token"])
    assert tokens["expires_in"] == 7
    assert 0 < (principal.expires_at - now()).total_seconds() <= 7


async def test_a_token_minted_without_a_browser_is_the_same(browser: Browser, issuer: LocalIssuer) -> None:
    principal = await verified(browser, issuer.identity("acme", "ola", operator=True))
    assert (principal.site_id, principal.caller.account_id, principal.operator) == ("acme", "ola", True)
    with pytest.raises(Unauthenticated):
        await verified(browser, issuer.identity("acme", "ola", lifetime=-10))


def test_what_a_directory_lacks_is_added_and_what_it_holds_stays(tmp_path: Path) -> None:
    first = LocalIssuer.load_or_create(tmp_path)
    path = tmp_path / "issuer" / "secrets.json"
    held = orjson.loads(path.read_bytes())
    del held["sign_in_password"]
    path.write_bytes(orjson.dumps(held | {"unheard_of": "x"}))
    second, third = LocalIssuer.load_or_create(tmp_path), LocalIssuer.load_or_create(tmp_path)
    assert second.connect_secret == first.connect_secret
    assert first.sign_in_password != second.sign_in_password == third.sign_in_password


async def test_it_is_served_by_this_process_at_an_address_of_its_own(app: Starlette) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    async with served(app, address), httpx.AsyncClient(base_url=address) as http:
        assert (await http.get("/jwks")).status_code == 200
        with pytest.raises(DidNotStart, match="cannot listen"):
            async with served(app, address):
                pytest.fail("two listen at one address")
    async with httpx.AsyncClient(base_url=address) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/jwks")
