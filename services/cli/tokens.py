"""Tokens of the local issuer, for trying things out by hand."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.options import DEFAULT_STATE, Addresses, State
from services.local.issuer import FORGE_LIFETIME, IDENTITY_LIFETIME, PROVIDER, LicenceSaid


class Kind(StrEnum):
    """Whose token."""

    FORGE = "forge"
    CONNECT = "connect"
    DATA_CENTER = "data-center"
    IDENTITY = "identity"


class Licence(StrEnum):
    """What a Forge token says of the licence."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    NONE = "none"


_SAID: dict[Licence, LicenceSaid] = {Licence.ACTIVE: "active", Licence.INACTIVE: "inactive", Licence.NONE: "none"}


def token(
    kind: Annotated[Kind, typer.Option(help="Who signs: a platform, or the provider people sign in at.")] = Kind.FORGE,
    site: Annotated[str | None, typer.Option(help="The site; local-site, or local-dc for Data Center. Connect has one.")] = None,
    account: Annotated[str | None, typer.Option(help="The person; without one the app itself speaks.")] = None,
    licence: Annotated[Licence, typer.Option(help="Forge: what it says of the licence. Connect: `lic` in --path.")] = Licence.ACTIVE,
    operator: Annotated[bool, typer.Option("--operator", help="Identity: of someone who runs the system.")] = False,
    lifetime: Annotated[
        float | None, typer.Option(min=1, help=f"Seconds it lives. Forge: {FORGE_LIFETIME:.0f}, identity: {IDENTITY_LIFETIME:.0f}."),
    ] = None,
    method: Annotated[str, typer.Option(help="Connect: the request's method.")] = "GET",
    path: Annotated[str, typer.Option(help="Connect: the request's path and query, - to read it.")] = "/",
    body_file: Annotated[typer.FileBinaryRead | None, typer.Option(help="Data Center: the body, - to read it.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Print a token, or for Data Center the value of X-Hub-Signature, that the local system accepts."""
    from services.local.issuer import LocalIssuer

    running = Addresses.load(state)
    issuer = LocalIssuer.load_or_create(state.resolve() / "issuer", provider=running.provider if running else PROVIDER)
    if kind is Kind.FORGE:
        typer.echo(issuer.forge(site or "local-site", account, _SAID[licence], lifetime=lifetime or FORGE_LIFETIME))
    elif kind is Kind.IDENTITY:
        if account is None:
            raise typer.BadParameter("an ID token is a person's: give --account")
        typer.echo(issuer.identity(site or "local-site", account, operator, lifetime or IDENTITY_LIFETIME))
    elif kind is Kind.CONNECT:
        typer.echo(issuer.connect(account, method, sys.stdin.readline().strip() if path == "-" else path))
    elif body_file is None:
        raise typer.BadParameter("a Data Center signature is over a body: give --body-file")
    else:
        try:
            typer.echo(issuer.data_center(site or "local-dc", body_file.read())["X-Hub-Signature"])
        except KeyError:
            raise typer.BadParameter(f"no such Data Center site here: {site}") from None
