"""The search for a capacity on Locust's master: it orders trials of all workers, merges and judges them."""
