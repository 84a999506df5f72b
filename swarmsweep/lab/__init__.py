"""The machines of the lab: their names, shares, limits and locks."""
