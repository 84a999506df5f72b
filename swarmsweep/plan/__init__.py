"""The plan of a run: cells, steps and their order, the run folder, and cells that cannot fit."""
