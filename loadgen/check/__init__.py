"""The check of a scenario before a sweep: it is loaded once, as Locust will load it."""
