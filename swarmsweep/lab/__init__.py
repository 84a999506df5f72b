"""The machines that the lab runs on: their names, shares, limits and locks."""
