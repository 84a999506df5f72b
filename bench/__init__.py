"""Benchmarks against other tools: `./lab bench NAME`. Each measures all servers side by side, in one run, on pinned
cores.
"""
