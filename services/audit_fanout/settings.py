"""Every knob of audit-fanout."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Batches are as large as what waits on the log, up to ``batch_records``: that bounds memory and lock time."""

    batch_records: int = Field(default=2000, ge=1, le=10_000)
    write_attempts: int = Field(default=5, ge=1)
    """How often a batch that lost a race for the end of a chain is read and linked again before it comes again whole."""
    quarantine_limit: int = Field(default=1000, ge=1)
    """How many records that cannot be handled are held before the process stops: the next would be a storm."""
    archive_url: str = ""
    """Where segments go, as ``fsspec`` names it (``file:///archive``, ``s3://bucket/prefix``); empty: no archive."""
    archive_seconds: float = Field(default=60.0, gt=0, le=300)
    """How long the archive lets events gather before it writes a segment of fewer than ``archive_bytes``."""
    archive_bytes: int = Field(default=1 << 20, ge=1)
    store_seconds: float = Field(default=0.1, gt=0, le=300)
    """How long the store lets events gather before it writes fewer than ``store_bytes``: a transaction costs more than an event."""
    store_bytes: int = Field(default=1 << 19, ge=1)
    checkpoint_seconds: float = Field(default=60.0, gt=0)
    verify_seconds: float = Field(default=3600.0, gt=0)
    """How far apart the looks are at the whole log, to see whether it is as it was written."""
