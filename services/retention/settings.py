"""Every knob of retention."""

from datetime import timedelta

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """How often, how much at once, and how long it may hold others up."""

    sweep_interval: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0))
    """Between the end of one sweep and the start of the next; a tenth more or less, so that sites' loads spread."""
    batch_rows: int = Field(default=2000, ge=1, le=100_000)
    pause_seconds: float = Field(default=0.1, ge=0)
    """Between two batches; half as much more or less."""
    statement_seconds: float = Field(default=5.0, gt=0)
    """A batch that takes longer is given up and tried at half the size."""
    lock_seconds: float = Field(default=1.0, gt=0)
    """How long a batch waits for a lock, and so at most holds up others behind it."""
    month_seconds: float = Field(default=60.0, gt=0)
    """A month that takes longer to drop whole is removed by rows."""
