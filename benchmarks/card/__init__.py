"""The parts of `python -m benchmarks.gpu`: a process each, told in JSON what to do; prints JSON rows."""
