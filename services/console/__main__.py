"""Run the service: ``python -m services.console``."""

from services.console.settings import Settings
from services.console.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("console", Settings(), build)
