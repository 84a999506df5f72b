"""Can it be believed, and what was the limit: evidence, checks, bottleneck, capacity."""
