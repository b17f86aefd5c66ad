"""The command line, as far as it needs no servers."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.options import Addresses, database_address, kafka_address
from services.local.issuer import LocalIssuer
from shared import tokens

runner = CliRunner()
ADDRESSES = Addresses(
    kafka="127.0.0.1:9", kafka_idempotent=False, databases={"console": "postgresql://c@h:1/d"}, services={},
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPROVALFLOW_DATABASE", "APPROVALFLOW_KAFKA", "APPROVALFLOW_STATE"):
        monkeypatch.delenv(name, raising=False)


def test_every_command_explains_itself() -> None:
    for command in ([], ["up"], ["token"], ["migrate"], ["topics"], ["quarantine"], ["quarantine", "release"]):
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


def test_a_data_center_signature_needs_a_body(tmp_path: Path) -> None:
    result = runner.invoke(app, ["token", "--kind", "data-center", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert "--body-file" in result.output


def test_a_forge_token_is_all_that_is_printed(tmp_path: Path) -> None:
    result = runner.invoke(app, ["token", "--site", "s", "--account", "ann", "--state", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(result.output.strip().split(".")) == 3
    assert tokens.FORGE_ISSUER not in result.output


def test_addresses_are_those_given_else_of_what_is_running(tmp_path: Path) -> None:
    ADDRESSES.save(tmp_path)
    assert database_address(None, tmp_path, "console") == "postgresql://c@h:1/d"
    assert database_address("postgresql://other", tmp_path, "console") == "postgresql://other"
    assert kafka_address(None, tmp_path) == ("127.0.0.1:9", False)
    Addresses.forget(tmp_path)
    result = runner.invoke(app, ["quarantine", "list", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert "--database" in result.output
