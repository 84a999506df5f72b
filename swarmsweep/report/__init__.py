"""The page: summary, charts, and what is printed while a sweep runs."""
