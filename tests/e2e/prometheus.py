"""Whether a real Prometheus and Alertmanager can be run here."""

import os

import pytest

from services.local.observe import PROGRAMS, missing

REQUIRED = "APPROVALFLOW_REQUIRE_PROMETHEUS"


def needed() -> None:
    """Skip the test without them, or fail it where they are required."""
    if absent := missing():
        reason = f"NOT TESTED: not here: {', '.join(absent)} (apt-get install --no-install-recommends {' '.join(PROGRAMS)})"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(reason)
