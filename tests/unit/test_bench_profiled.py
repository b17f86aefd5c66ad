"""What a profiler saw, by step and by function."""

import pytest

from bench.profiled import shares

RAW = """\
<module> (a.py:1);Runner.run (x.py:1);settle (services/decision/consume.py:5);Engine.decide (services/decision/engine.py:9) 60
<module> (a.py:1);Runner.run (x.py:1);settle (services/decision/consume.py:6);Engine.write (services/decision/engine.py:7) 30
<module> (a.py:1);Runner.run (asyncio/runners.py:1);poll (aiokafka/consumer/fetcher.py:3) 6
<module> (a.py:1);Runner.run (asyncio/runners.py:1) 4
Thread (threading.py:2);wait (threading.py:3) 900
"""


def test_steps_share_the_loops_samples_and_functions_count_what_is_below_them() -> None:
    steps, inside = shares(RAW)
    assert steps == pytest.approx({
        "decide": 60.0, "write": 30.0, "fetch": 6.0, "the rest of the loop, and its sockets": 4.0,
    })
    assert inside == pytest.approx({
        "settle (services/decision/consume.py)": 90.0, "Engine.decide (services/decision/engine.py)": 60.0,
        "Engine.write (services/decision/engine.py)": 30.0,
    })
