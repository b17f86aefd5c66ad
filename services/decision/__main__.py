"""Run decision."""

from services.decision.settings import Settings
from services.decision.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("decision", Settings(), build)
