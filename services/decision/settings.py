"""Every knob of decision."""

from datetime import timedelta

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Batches are as large as what waits on the log, up to ``batch_records``: that bounds memory and lock time."""

    batch_records: int = Field(default=8000, ge=1, le=10_000)
    part_records: int = Field(default=500, ge=1)
    lanes: int = Field(default=4, ge=1, le=16)
    """A batch is settled in so many lanes side by side, a partition to one lane, and each lane in parts of so many records."""
    pace_seconds: float = Field(default=0.005, ge=0, le=1)
    """How far apart batches begin at least, unless they are full."""
    write_attempts: int = Field(default=5, ge=1)
    """How often a batch that lost a race is read and decided again before the process gives up on it."""
    quarantine_limit: int = Field(default=1000, ge=1)
    """How many records that cannot be handled are held before the process stops: the next would be a storm."""
    silent_seconds: float = Field(default=5.0, gt=0)
    """How long a statement may lack what its process has yet to send, before any other process ends that session."""
    facts_max_age: timedelta = timedelta(hours=24)
    """Directory facts older than this allow nothing."""
