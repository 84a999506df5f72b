"""The Python environments of the servers, as in their images."""

from bench.lib.environments import Environment
from bench.lib.paths import ROOT

# What the slim image has, so that its memory is true; what the full image has; the peers.
API = Environment("serving-api", ROOT / "app/requirements.txt")
MLFLOW = Environment("serving-mlflow", ROOT / "app/requirements-train.txt")
PEERS = Environment("serving", ROOT / "locks/bench-serving.txt")
