"""What was measured, in a form that programs can read, and under which conditions."""

import os
import platform
import statistics
import subprocess
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from pydantic import BaseModel, Field, computed_field

from bench.stage import Stage
from services.decision.settings import Settings as DecisionSettings
from shared.clock import now

RESULTS = Path("bench/results")
_PACKAGES = ("aiokafka", "asyncpg", "faststream", "pydantic", "uvloop", "fastapi", "uvicorn", "aiohttp")
_ASKED = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size",
          "checkpoint_timeout", "huge_pages_status")
_KNOBS = ("batch_records", "part_records", "lanes", "pace_seconds")


class Run(BaseModel):
    """One measurement: its value, CPU microseconds of each process for one decision, and resident megabytes."""

    value: float
    cpu: dict[str, float] = Field(default_factory=dict)
    memory: dict[str, float] = Field(default_factory=dict)


class Figure(BaseModel):
    """One thing measured a few times."""

    name: str
    unit: str
    runs: list[Run]
    note: str = ""
    at: float | None = None
    """Where on its axis it stands, for a figure of a series."""

    def spread(self) -> tuple[float, float, float]:
        """Min, median and max."""
        values = [run.value for run in self.runs]
        return min(values), statistics.median(values), max(values)

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to write a property out
    @property
    def summary(self) -> dict[str, float]:
        """The same by name, for readers of the file."""
        return dict(zip(("min", "median", "max"), self.spread(), strict=True))

    def cpu(self) -> dict[str, float]:
        """The median of each process's CPU."""
        return {name: statistics.median(run.cpu[name] for run in self.runs) for name in self.runs[0].cpu}

    def a_cpu_second(self) -> float | None:
        """Decisions for one CPU second of all processes together, where CPU was measured."""
        total = sum(self.cpu().values())
        return 1e6 / total if total else None


class Goal(BaseModel):
    """What was wanted of a figure or of two, and whether it is so."""

    what: str
    wanted: float
    measured: float
    at_most: bool = False

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to write a property out
    @property
    def met(self) -> bool:
        """Is it so?"""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


class Conditions(BaseModel):
    """On what, and with what, it was measured."""

    at: datetime
    commit: str
    cores: int
    processor: str
    python: str
    system: str
    filesystem: str
    broker: str
    postgres: dict[str, str]
    packages: dict[str, str]
    decision: dict[str, float]


class Report(BaseModel):
    """All of one invocation."""

    load: str
    conditions: Conditions | None = None
    figures: list[Figure] = Field(default_factory=list)
    goals: list[Goal] = Field(default_factory=list)
    failures: dict[str, str] = Field(default_factory=dict)
    """Parts that could not be measured, and why."""

    def find(self, name: str) -> Figure | None:
        """The figure of this name, if it was measured."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def save(self, name: str) -> Path:
        """Write it under ``bench/results``."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(self.model_dump_json(indent=1, exclude_defaults=True) + "\n")
        return path


async def conditions(stage: Stage) -> Conditions:
    """The present ones; the database is asked for its own settings."""
    knobs = DecisionSettings()
    return Conditions(
        at=now(), commit=_git(), cores=os.cpu_count() or 0, processor=_processor(),
        python=platform.python_version(), system=platform.platform(), filesystem=_filesystem(stage.stack.state),
        broker=stage.stack.broker.kind, postgres={name: str(await stage.db.fetchval(f"SHOW {name}")) for name in _ASKED},
        packages={name: version(name) for name in _PACKAGES},
        decision={name: value for name in _KNOBS if (value := getattr(knobs, name, None)) is not None},
    )


def _git() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)  # noqa: S607 - as found on PATH
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def _filesystem(directory: Path) -> str:
    mounts = [part for part in psutil.disk_partitions(all=True) if directory.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"
