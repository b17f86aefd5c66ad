"""Every parser of bytes from outside, fed with bytes that a coverage-guided fuzzer (libFuzzer, by atheris) thinks up."""
