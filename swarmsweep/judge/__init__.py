"""Whether a measurement is valid, and what limited the API: evidence, checks, bottleneck, capacity."""
