"""Run the service: ``python -m services.command``."""

from services.command.settings import CommandSettings
from services.command.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("command", CommandSettings(), build)
