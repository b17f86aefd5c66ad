"""The command line, as far as it needs no servers."""

from pathlib import Path

import pytest
from joserfc.jwk import KeySet, RSAKey
from typer.testing import CliRunner

from services.cli import app, main
from services.cli.options import Addresses, database_address, kafka_address
from services.local.issuer import OIDC_CLIENT, LocalIssuer
from shared import tokens
from shared.clock import now
from shared.contracts.base import Environment
from shared.identity import Trust, verify_identity

runner = CliRunner()
ADDRESSES = Addresses(
    kafka="127.0.0.1:9", kafka_idempotent=False, databases={"console": "postgresql://c@h:1/d"}, services={}, provider="http://127.0.0.1:7",
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPROVALFLOW_DATABASE", "APPROVALFLOW_KAFKA", "APPROVALFLOW_STATE"):
        monkeypatch.delenv(name, raising=False)


def test_every_command_explains_itself() -> None:
    for command in ([], ["up"], ["demo"], ["simulate"], ["token"], ["migrate"], ["topics"], ["quarantine"], ["quarantine", "release"]):
        result = runner.invoke(app, [*command, "--help"])
        assert result.exit_code == 0, result.output
        assert "Usage" in result.output


def test_a_data_center_signature_is_the_one_the_local_site_makes(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(b'{"event": "page_updated"}')
    said = ["token", "--kind", "data-center", "--site", "local-dc", "--body-file", str(body), "--state", str(tmp_path)]
    result = runner.invoke(app, said)
    assert result.exit_code == 0, result.output
    expected = LocalIssuer.load_or_create(tmp_path / "issuer").data_center("local-dc", body.read_bytes())
    assert result.output.strip() == expected["X-Hub-Signature"]


def test_what_is_signed_may_come_from_standard_input(tmp_path: Path) -> None:
    issuer = LocalIssuer.load_or_create(tmp_path / "issuer")
    words = ["token", "--state", str(tmp_path), "--kind"]
    result = runner.invoke(app, [*words, "data-center", "--body-file", "-"], input=b'{"page": {"id": 5}}')
    assert result.output.strip() == issuer.data_center("local-dc", b'{"page": {"id": 5}}')["X-Hub-Signature"]
    result = runner.invoke(app, [*words, "connect", "--method", "POST", "--path", "-", "--account", "ann"], input="/v1/x?lic=active\n")
    verified = tokens.verify_connect(
        result.output.strip(), issuer.connect_secret, client_key=issuer.client_key, site_id="s", method="POST", path="/v1/x",
        query="lic=active", now=now(),
    )
    assert (verified.caller.account_id, verified.caller.licence) == ("ann", "active")


def test_a_data_center_site_that_is_not_here_has_no_signature(tmp_path: Path) -> None:
    words = ["token", "--state", str(tmp_path), "--kind", "data-center", "--site", "nowhere", "--body-file", "-"]
    result = runner.invoke(app, words, input=b"{}")
    assert result.exit_code == 2
    assert "no such Data Center site" in result.output


def test_a_data_center_signature_needs_a_body(tmp_path: Path) -> None:
    result = runner.invoke(app, ["token", "--kind", "data-center", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert "--body-file" in result.output


def test_a_forge_token_is_all_that_is_printed(tmp_path: Path) -> None:
    result = runner.invoke(app, ["token", "--site", "s", "--account", "ann", "--state", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(result.output.strip().split(".")) == 3
    assert tokens.FORGE_ISSUER not in result.output


def test_an_id_token_is_a_persons_and_of_the_provider_that_runs(tmp_path: Path) -> None:
    words = ["token", "--kind", "identity", "--site", "acme", "--state", str(tmp_path)]
    assert runner.invoke(app, words).exit_code == 2
    ADDRESSES.save(tmp_path)
    result = runner.invoke(app, [*words, "--account", "ola", "--operator", "--lifetime", "60"])
    assert result.exit_code == 0, result.output
    issuer = LocalIssuer.load_or_create(tmp_path / "issuer", provider=ADDRESSES.provider)
    trust = Trust(ADDRESSES.provider, OIDC_CLIENT, "site_id", "sub", "roles", Environment.PRODUCTION)
    keys = {key.kid: key for key in KeySet.import_key_set(issuer.identity_keys).keys if isinstance(key, RSAKey) and key.kid}
    principal = verify_identity(result.output.strip(), keys, trust, now())
    assert (principal.site_id, principal.caller.account_id, principal.operator) == ("acme", "ola", True)


def test_addresses_are_those_given_else_of_what_is_running(tmp_path: Path) -> None:
    ADDRESSES.save(tmp_path)
    assert database_address(None, tmp_path, "console") == "postgresql://c@h:1/d"
    assert database_address("postgresql://other", tmp_path, "console") == "postgresql://other"
    assert kafka_address(None, tmp_path) == ("127.0.0.1:9", False)
    Addresses.forget(tmp_path)
    result = runner.invoke(app, ["quarantine", "list", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert "--database" in result.output


def test_what_does_not_answer_is_said_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["approvalflow", "audit", "verify", "--database", "postgresql://x:sekret@127.0.0.1:1/x"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert said.err.strip() == "nothing answers there (ConnectionRefusedError): is the system running?"
