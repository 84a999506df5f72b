"""From rows to a registered model. Runs as a job, never in the service."""
