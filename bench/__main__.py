"""Start a database and a broker, measure, stop them."""

import tempfile
from pathlib import Path

import uvloop

from bench.engine import main
from services.local.broker import Broker
from services.local.postgres import Postgres
from shared.kafka import create_topics
from shared.postgres import migrate


async def run() -> None:
    """Measure the engine on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="approvalflow-bench-") as directory:
        postgres, broker = Postgres(Path(directory) / "postgres"), Broker(Path(directory) / "kafka")
        try:
            await postgres.start()
            await broker.start()
            print(f"broker: {broker.kind}")
            await migrate(postgres.dsn())
            await create_topics(broker.bootstrap, 8)
            await main(broker.bootstrap, postgres.dsn(), postgres.dsn("decision"), Path(directory) / "decision.log")
        finally:
            await broker.stop()
            await postgres.stop()


if __name__ == "__main__":
    uvloop.run(run())
