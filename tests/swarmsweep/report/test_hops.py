"""What the page says of the network between HAProxy and replicas on another API host."""

from msgspec.structs import replace
from run_folder import Run

from swarmsweep.plan.row import AttemptEntry, HostReplicas, unmeasured_row
from swarmsweep.report.hops import hop_notes


def notes(tmp_path, *attempts: dict[str, float | None]) -> list[str]:
    """Sentences on attempts, each with the time of a connection by API host."""
    plan = Run(tmp_path).plan
    entries = [
        AttemptEntry(
            attempt=number,
            status="valid",
            replica_hosts={host: HostReplicas(replicas=1, connect_ms=ms) for host, ms in hosts.items()},
        )
        for number, hosts in enumerate(attempts, start=1)
    ]
    return hop_notes(plan, [replace(unmeasured_row(plan.cells[0]), attempts=entries)])


CASES = {
    "near and far": [{"lab-api": 0.05, "lab-api2": 0.31}, {"lab-api": 0.07, "lab-api2": 0.35}],
    # A single attempt was disturbed.
    "median": [{"lab-api": 0.05, "lab-api2": ms} for ms in (0.3, 0.3, 90.0)],
    "no difference": [{"lab-api": 0.05, "lab-api2": 0.051}],
    "no replica near": [{"lab-api2": 0.31, "lab-api3": 0.4}],
    "not measured": [{"lab-api": None, "lab-api2": None}],
}


def test_the_sentences(tmp_path, golden):
    found = {name: notes(tmp_path / str(number), *attempts) for number, (name, attempts) in enumerate(CASES.items())}
    golden("hops.yml", found)
    assert "takes about 0.27 ms more" in found["near and far"][0]
    assert "takes about 0.25 ms more" in found["median"][0]
    assert "adds nothing" in found["no difference"][0]
    assert [len(sentences) for sentences in found.values()] == [1, 1, 1, 2, 1]
    assert "was not measured" in found["not measured"][0]


def test_replicas_on_one_host_need_no_sentence(tmp_path):
    assert notes(tmp_path / "a", {"lab-api": None}) == []
    assert notes(tmp_path / "b", {}) == []
