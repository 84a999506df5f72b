"""The paths of the programs that the benchmarks measure, and of their results."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
# Results, one file a benchmark.
RESULTS = ROOT / "reports/bench"
# Environments and unpacked programs. They are kept between runs.
CACHE = ROOT / ".lab/bench"
# The load generator as it is copied to load hosts. Every benchmark that runs it finds it by this path alone.
LOADGEN = ROOT / "loadgen"
# The search, which is copied beside it.
SEARCH = ROOT / "swarmsweep/search"
# The packages that a load host has installed.
LOCUST_LOCK = ROOT / "roles/locust_host/files/requirements.txt"
# Scenarios of users.
SCENARIOS = ROOT / "locustfiles"
