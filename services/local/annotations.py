"""Marks on Grafana's graphs of what was being done to the system, and when."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self

import httpx

from services.local.supervisor import Notice

ADDRESS = "APPROVALFLOW_GRAFANA"
"""Names the address of a Grafana, with the name and password of somebody who may annotate; without it nothing is marked."""
TAG = "approvalflow"
"""What every dashboard shows the marks of."""
_SECONDS = 3.0


class Annotations:
    """Posted one after the other on a thread of their own, so that what is measured does not wait for Grafana."""

    def __init__(self, address: str, notice: Notice) -> None:
        self._address = address.rstrip("/")
        self._notice = notice
        self._poster = ThreadPoolExecutor(1, "annotations")
        self._told = False

    @classmethod
    @contextmanager
    def opened(cls, notice: Notice) -> Iterator[Self]:
        """Where the environment says, for the length of the block; at its end all have been posted or have failed."""
        made = cls(os.environ.get(ADDRESS, ""), notice)
        try:
            yield made
        finally:
            made._poster.shutdown()

    @contextmanager
    def during(self, text: str, *tags: str) -> Iterator[None]:
        """Mark the time that the block takes."""
        began = time.time()
        try:
            yield
        finally:
            self._mark({"time": int(began * 1000), "timeEnd": int(time.time() * 1000)}, text, tags)

    def now(self, text: str, *tags: str) -> None:
        """Mark this moment."""
        self._mark({"time": int(time.time() * 1000)}, text, tags)

    def _mark(self, when: dict[str, int], text: str, tags: tuple[str, ...]) -> None:
        if self._address:
            self._poster.submit(self._post, {**when, "text": text, "tags": [TAG, *tags]})

    def _post(self, annotation: dict[str, Any]) -> None:
        """Said once if it fails: the work goes on without marks."""
        try:
            httpx.post(f"{self._address}/api/annotations", json=annotation, timeout=_SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            if not self._told:
                self._notice(f"Grafana is not told: {type(error).__name__}")
            self._told = True
