"""The source of the services, as the tests about its structure read it."""

from pathlib import Path

from services.cli.sources import ROOT, calls, files, tree

SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py") if path.parent.name != "cli")


def module(path: Path) -> str:
    """The name a file is imported under."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


__all__ = ["ROOT", "SERVICES", "calls", "files", "module", "tree"]
