"""Grafana is told what is being done to the system, and what is measured never waits for it."""

import json
import time

import pytest

from services.local.annotations import ADDRESS, Annotations
from services.local.receiver import receiving


def test_a_stretch_and_a_moment_are_marked_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[tuple[str, dict[str, object]]] = []
    said: list[str] = []
    before = int(time.time() * 1000)
    with receiving(lambda path, body: posted.append((path, json.loads(body)))) as address:
        monkeypatch.setenv(ADDRESS, f"{address.replace('//', '//admin:word@')}/")
        with Annotations.opened(said.append) as marks:
            with marks.during("measuring: pipeline", "bench"):
                pass
            marks.now("kill -9 broker", "chaos")
    (path, stretch), (other, moment) = posted
    assert path == other == "/api/annotations"
    assert (stretch["text"], stretch["tags"]) == ("measuring: pipeline", ["approvalflow", "bench"])
    assert before <= int(str(stretch["time"])) <= int(str(stretch["timeEnd"])) <= int(str(moment["time"]))
    assert (moment["text"], moment["tags"], "timeEnd" in moment) == ("kill -9 broker", ["approvalflow", "chaos"], False)
    assert said == []


def test_a_grafana_that_does_not_answer_is_said_once_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:1")
    with Annotations.opened(said.append) as marks:
        for _ in range(3):
            marks.now("x")
    assert said == ["Grafana is not told: ConnectError"]


def test_nobody_is_told_unless_somebody_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    said: list[str] = []
    with Annotations.opened(said.append) as marks, marks.during("x"):
        pass
    assert said == []
