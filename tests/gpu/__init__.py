"""The parts of ``python -m tests.bench gpu``; see `tests.bench_gpu`."""
