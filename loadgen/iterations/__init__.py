"""Iterations of any scenario's users that start when they are due, whether or not earlier ones have ended."""
