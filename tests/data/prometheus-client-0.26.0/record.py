"""Writes the .prom files beside it: the metrics of two replicas with two workers each, and of one with one worker.

Run: python record.py. Every worker is a separate process, as in the API. The values are fixed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WORKER = """
import sys
from prometheus_client import CollectorRegistry, Gauge, Histogram, REGISTRY
shared = bool(sys.argv[3])
registry = CollectorRegistry() if shared else REGISTRY
requests = Histogram("covertype_api_request_seconds", "Time of a request.", ["endpoint", "status"], registry=registry)
parts = Histogram("covertype_api_part_seconds", "Time of a part.", ["endpoint", "part"], registry=registry)
named = {"variant": sys.argv[2], "model": "each_request", "columns": "each_request", "note": 'a "quote", a \\\\ and {}'}
info = Gauge("covertype_api_variant_info", "Variant.", list(named), registry=registry, multiprocess_mode="max")
info.labels(**named).set(1)
count = int(sys.argv[1])
for _ in range(count):
    requests.labels("/predict", "200").observe(0.5)
    parts.labels("/predict", "database").observe(0.0625)
    for _ in range(2):
        parts.labels("/predict", "mlflow").observe(0.125)
    parts.labels("/predict", "inference").observe(0.03125)
requests.labels("/predict", "503").observe(0.25)
for path in ("/ready", "/health", "/metrics"):
    for _ in range(10 * count):
        requests.labels(path, "200").observe(0.001)
parts.labels("/ready", "inference").observe(0.001)
if not shared:
    from prometheus_client import generate_latest
    sys.stdout.buffer.write(generate_latest(registry))
"""
COLLECT = """
import sys
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
sys.stdout.buffer.write(generate_latest(registry))
"""


def python(program: str, *arguments: str, **environment: str) -> bytes:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, check=True).stdout


def replica(name: str, counts: tuple[int, ...], variant: str) -> None:
    """A replica whose workers have returned this many responses."""
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            python(WORKER, str(count), variant, "shared", PROMETHEUS_MULTIPROC_DIR=folder)
        (HERE / f"metrics-{name}.prom").write_bytes(python(COLLECT, PROMETHEUS_MULTIPROC_DIR=folder))


replica("a" * 12, (3, 5), "no_redundant_mlflow")
replica("b" * 12, (2, 6), "no_redundant_mlflow")
(HERE / "single.prom").write_bytes(python(WORKER, "4", "native", ""))
