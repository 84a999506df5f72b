"""The common parts of closed-loop and open-loop loads: workers, files and Locust's own statistics."""
