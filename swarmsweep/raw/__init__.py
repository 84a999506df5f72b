"""Parsers of the raw files of one attempt."""
