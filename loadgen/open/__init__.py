"""Open-loop load: requests are sent when they are due, even if earlier ones have no response yet."""
