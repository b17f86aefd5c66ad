"""Run the command line."""

from services.cli import app

if __name__ == "__main__":
    app()
