"""What the archive holds, read back."""

import hashlib
from dataclasses import dataclass

import fsspec
import orjson
import zstandard

from services.audit_fanout.domain import Entry, parsed
from services.audit_fanout.store.entries import Checkpoint


class Damaged(Exception):
    """A file of the archive is not what was written."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file of one partition's events, in their order, and the offsets that it covers."""

    first_offset: int
    last_offset: int
    path: str


class Archived:
    """An archive, as ``fsspec`` names it."""

    def __init__(self, url: str) -> None:
        self._files, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")

    def segments(self, partition: int) -> list[Segment]:
        """The files of a partition by the offsets they begin at. One without a sidecar was never finished, and is left out."""
        found = []
        for sidecar in self._files.glob(f"{self._root}/events/p{partition:05}/*.json"):
            stem = sidecar.removesuffix(".json")
            first, last = stem.rpartition("/")[2].split("-")
            found.append(Segment(int(first), int(last), f"{stem}.ndjson.zst"))
        return sorted(found)

    def entries(self, segment: Segment) -> list[Entry]:
        """What a file holds.

        :raises Damaged: it is not what its sidecar says.
        """
        try:
            content = self._files.cat_file(segment.path)
            about = orjson.loads(self._files.cat_file(segment.path.removesuffix(".ndjson.zst") + ".json"))
            if hashlib.sha256(content).hexdigest() != about["sha256"]:
                raise ValueError("another digest")
            lines = zstandard.ZstdDecompressor().decompressobj().decompress(content).splitlines()
            return [parsed(line.decode()) for line in lines]
        except (OSError, KeyError, ValueError, zstandard.ZstdError) as error:
            raise Damaged(f"{segment.path} is not what was written: {type(error).__name__}") from None

    def checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint, in order.

        :raises Damaged: one cannot be read.
        """
        found = []
        for path in sorted(self._files.glob(f"{self._root}/checkpoints/*.json")):
            try:
                kept = orjson.loads(self._files.cat_file(path))
                found.append(Checkpoint(kept["number"], kept["body"], bytes.fromhex(kept["hash"])))
            except (OSError, KeyError, TypeError, ValueError) as error:
                raise Damaged(f"{path} is not what was written: {type(error).__name__}") from None
        return found
