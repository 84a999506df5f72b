"""The API against `mlflow models serve`, LitServe and BentoML."""
