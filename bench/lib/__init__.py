"""The common parts of several benchmarks: cores, processes, packages, loads by wrk, results."""
