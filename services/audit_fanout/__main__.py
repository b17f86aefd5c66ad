"""Run audit-fanout."""

from services.audit_fanout.settings import Settings
from services.audit_fanout.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("audit-fanout", Settings(), build)
