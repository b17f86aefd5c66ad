"""Run the fuzzer: ``python -m tests.fuzz CORPUS... [-max_total_time=60]``, with any option of libFuzzer."""

import sys

import atheris

with atheris.instrument_imports(include=["services", "shared"]):
    from tests.fuzz.targets import one

if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
