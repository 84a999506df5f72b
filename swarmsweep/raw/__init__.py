"""What was recorded: the raw files of one attempt, parsed."""
