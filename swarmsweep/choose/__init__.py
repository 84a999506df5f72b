"""Choosing a cell: recommendation and comparison."""
