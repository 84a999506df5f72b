"""The search for a capacity on Locust's master: it orders probes of all workers, merges and judges them."""
