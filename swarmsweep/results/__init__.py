"""The results: the figures of an attempt and the row of a cell."""
