"""The report: summary, charts, and the output while a sweep runs."""
