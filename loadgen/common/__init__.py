"""What closed-loop and open-loop loads share: workers, files and Locust's own statistics."""
