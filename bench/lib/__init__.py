"""What several benchmarks need: cores, processes, packages, loads by wrk, results."""
