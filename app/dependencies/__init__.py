"""What the API depends on, as real processes on loopback: PostgreSQL, Redis, MLflow, and the API itself.

The tests of `app/` and the benchmarks start the same servers with it. It imports no test framework, and nothing but
the standard library until a client of a server is needed, so that any environment can import it.
"""
