"""The search for a capacity on Locust's master: it orders probes from all workers, merges and judges them."""
