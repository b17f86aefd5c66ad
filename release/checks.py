"""Every check, the quick ones first."""

from release import audit, bom, changelog, commit, findings, licences, policy, review, secret_scan, wheel
from release.check import Check
from release.programs import programs, suites

CHECKS = (
    Check("commit", "what is checked is what was committed", commit.check),
    Check("changelog", "the version is told of", changelog.check),
    Check("policy", "every line of the policy has its code and its test", policy.check),
    Check("findings", "no security finding is open past its time", findings.check),
    Check("review", "the quarterly review was held", review.check),
    Check("licences", "every dependency's licence is allowed", licences.check),
    Check("sbom", "every dependency is listed with its hash", bom.check),
    Check("wheel", "two builds are the same bytes", wheel.check),
    Check("audit", "no dependency has a known vulnerability", audit.check),
    Check("secrets", "no secret was ever committed", secret_scan.check),
    Check("lint", "style and import contracts", programs("lint", ("ruff", "check", "."), ("lint-imports",))),
    Check("types", "types, strictly, of tests too", programs("types", ("mypy", "."))),
    Check("unit", "unit and contract tests", suites("unit", "tests/unit", "tests/contract")),
    Check("browser", "end to end in a browser", suites("browser", "tests/e2e/browser")),
    Check("e2e", "end to end over HTTP, and telemetry and alerts", suites("e2e", "tests/e2e", without="tests/e2e/browser")),
    Check("faults", "every promise holds under 50 faults", programs("faults", ("python", "-m", "chaos", "--faults", "50"))),
)
