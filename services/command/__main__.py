"""Run the service: ``python -m services.command``."""

from services.command.settings import Settings
from services.command.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("command", Settings(), build)
