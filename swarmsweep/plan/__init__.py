"""What is planned: cells, steps and their order, the run folder, what cannot fit."""
