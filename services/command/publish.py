"""Messages onto ``intake.v1``, each with the broker's acknowledgement."""

import asyncio
import time
from datetime import datetime
from uuid import UUID

from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from opentelemetry.trace import SpanKind
from pydantic import BaseModel

from services.command import metrics
from shared import tracing
from shared.contracts.envelope import Headers, headers
from shared.contracts.reasons import Reason
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.problems import Refusal

SOURCE = "approvalflow/command"


class Publisher:
    """Publishes one message at a time and waits, at most ``seconds``, until every replica has it."""

    def __init__(self, broker: KafkaBroker, seconds: float) -> None:
        self._broker = broker
        self._seconds = seconds

    async def publish(self, message: BaseModel, message_id: UUID, at: datetime, reply: int | None = None) -> None:
        """Put ``message`` on the log under its own key.

        :raises Refusal: it was not acknowledged in time. It may yet be on the log, so a repeat must carry the same id.
        """
        route = TYPE_OF[type(message)]
        if route.key is None:
            raise TypeError(route.type)
        with metrics.tracer.start_as_current_span(metrics.PUBLISH_COMMAND.name, kind=SpanKind.PRODUCER):
            named = headers(type(message), message_id, at, SOURCE, reply, tracing.sent())
            began = time.perf_counter()
            try:
                await self._send(message, route.key(message).encode(), named)
            except (TimeoutError, KafkaError):
                raise Refusal(Reason.UNAVAILABLE) from None
            finally:
                metrics.PUBLISH.record(time.perf_counter() - began)

    async def _send(self, message: BaseModel, key: bytes, named: Headers) -> None:
        async with asyncio.timeout(self._seconds):
            await self._broker.publish(
                message.model_dump_json().encode(), INTAKE.name, key=key,
                headers={name: value.decode() for name, value in named},
                correlation_id=dict(named)["ce_id"].decode(),
            )
