"""The time of a sweep's cell that is not load."""
