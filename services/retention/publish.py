"""What a finished run puts on the log: all of it derived from what is stored, so that a repeat is the same bytes."""

from services.retention.domain import Run, record
from shared.contracts.commands import RecordRetention
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.kafka import Outgoing

SOURCE = "approvalflow/retention"


def outgoing(run: Run, traceparent: str | None = None) -> Outgoing:
    """The command that has a run audited, within the trace given; its id is the run's, so that a repeat has the same one outcome.

    :raises ValueError: the run is not finished.
    """
    key = TYPE_OF[RecordRetention].key
    if run.finished_at is None or key is None:
        raise ValueError("only a finished run can be recorded")
    command = record(run)
    return Outgoing(
        INTAKE.name, key(command).encode(), command.model_dump_json().encode(),
        headers(RecordRetention, run.run_id, run.finished_at, SOURCE, traceparent=traceparent),
    )
