"""The load generator: it makes, records and conducts a load in Locust's processes. README.md describes it."""
