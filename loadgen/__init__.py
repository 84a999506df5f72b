"""The load generator: what makes, records and conducts a load in Locust's processes. README.md has the picture."""
