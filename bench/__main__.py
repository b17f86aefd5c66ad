"""Start a database and a broker, measure, stop them."""

import logging
import tempfile
from pathlib import Path

import uvloop

from bench.engine import Stage, main
from services.local.broker import Broker
from services.local.postgres import Postgres
from shared.kafka import create_topics
from shared.postgres import migrate


async def run() -> None:
    """Measure the engine on servers of its own."""
    for noisy in ("pogo_core", "aiokafka"):  # each migration, and each time the broker does not answer yet
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="approvalflow-bench-") as directory:
        postgres, broker = Postgres(Path(directory) / "postgres"), Broker(Path(directory) / "kafka")
        try:
            await postgres.start()
            await broker.start()
            print(f"broker: {broker.kind}")
            await migrate(postgres.dsn())
            await create_topics(broker.bootstrap, 8)
            beside = {name: child.pid for name, child in (("postgres", postgres.child), ("kafka", broker.child)) if child}
            stage = Stage(broker.bootstrap, postgres.dsn(), postgres.dsn("decision"), Path(directory) / "decision.log", beside)
            await main(stage)
        finally:
            await broker.stop()
            await postgres.stop()


if __name__ == "__main__":
    uvloop.run(run())
