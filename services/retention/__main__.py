"""Run retention."""

from services.retention.settings import Settings
from services.retention.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("retention", Settings(), build)
