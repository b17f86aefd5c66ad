"""No secret was ever committed, and one that was would be found."""

import pytest

from release.secret_scan import Excuse, Finding, excuses, history, scan, unexcused


def added(path: str, line: str) -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,1 @@\n+{line}\n"


# Put together here, so that this file is no finding itself.
PLANTED = {
    "AWS Access Key": "key = " + "AKIA" + "QX3TZ5RWKPLM7YBD",
    "Private Key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "Secret Keyword": "pass" + "word = 'f7Gq-29xPz-Lm41'",
    "Basic Auth Credentials": "postgresql://app:" + "f7Gq29xPzLm41@db/approvals",
    "GitHub Token": "gh" + "p_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_secret_that_is_committed_is_found(kind: str) -> None:
    found = scan(added("services/command/settings.py", PLANTED[kind] + "  # pragma: allowlist secret"))
    assert kind in {finding.kind for finding in unexcused(found, excuses())}


def test_an_excuse_is_for_one_value_in_one_file_or_one_kind_beneath_one_directory() -> None:
    one = Excuse("Secret Keyword", "made up", path="a.py", sha1="1" * 40)
    all_beneath = Excuse("Secret Keyword", "made up", under="tests/")
    found = {
        Finding("a.py", "Secret Keyword", "1" * 40), Finding("a.py", "Secret Keyword", "2" * 40), Finding("a.py", "Private Key", "1" * 40),
        Finding("tests/a.py", "Secret Keyword", "3" * 40), Finding("tests/a.py", "Private Key", "3" * 40),
    }
    left = {(finding.path, finding.kind, finding.sha1[0]) for finding in unexcused(found, [one, all_beneath])}
    assert left == {("a.py", "Secret Keyword", "2"), ("a.py", "Private Key", "1"), ("tests/a.py", "Private Key", "3")}


def test_every_excuse_has_a_reason_and_none_is_for_everything() -> None:
    for excuse in excuses():
        assert len(excuse.reason) > 20
        assert bool(excuse.under) != bool(excuse.path and excuse.sha1)
        assert excuse.under in ("", "tests/")


def test_no_secret_was_ever_committed() -> None:
    diff = history()
    assert diff.count("\n+++ b/") > 100  # it is the history of the whole tree
    assert "+++ b/commit messages" in diff and "+++ b/requirements.lock" in diff and "\n+    --hash=sha256:" not in diff
    assert list(unexcused(scan(diff), excuses())) == []
