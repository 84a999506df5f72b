"""A load that would have left the lab: its attempt is invalid, named, and ends the sweep."""

import json

import pytest
from run_folder import Run, Traffic, latencies

from swarmsweep.errors import LabError
from swarmsweep.raw.left_lab import left_lab, left_lab_sentence
from swarmsweep.results.measure import measure_attempt
from swarmsweep.results.retry import outcome, refuse_ended, retry_steps


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ({"https://api.example:443": 12}, "12 to https://api.example:443. "),
        ({"http://b:80": 1, "http://a:80": 1, "http://c:80": 9}, "9 to http://c:80, 1 to http://a:80, 1 to"),
        ({f"http://h{n}:80": 9 - n for n in range(5)}, "7 to http://h2:80 and 2 more addresses. "),
    ],
)
def test_targets_are_named_the_most_frequent_first(targets, words):
    assert words in left_lab_sentence(targets)


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        ([], None),
        ([{}], None),
        ([{"left_lab": {}}], None),
        ([{"left_lab": {"http://a:80": 2}}, {"left_lab": {"http://a:80": 3}}], "5 to http://a:80"),
        ([{"left_lab": None}, {"left_lab": {"http://a:80": "x"}}], None),
        # A damaged file says nothing; the others do.
        (["{"], None),
        (["{", {"left_lab": {"http://a:80": 2}}, "[]"], "2 to http://a:80"),
    ],
)
def test_the_workers_of_an_attempt_are_added_up(tmp_path, workers, words):
    (tmp_path / "locust").mkdir()
    for number, worker in enumerate(workers):
        text = worker if isinstance(worker, str) else json.dumps(worker)
        (tmp_path / f"locust/worker-lab-load-{number}.json").write_text(text)
    found = left_lab(tmp_path)
    assert (found is None) if words is None else (words in found)


@pytest.mark.parametrize(("left", "status"), [({}, "valid"), ({"http://example.com:80": 7}, "invalid")])
def test_such_an_attempt_is_invalid_and_ends_the_run(tmp_path, golden, left, status):
    run = Run(tmp_path)
    cell = run.plan.steps[0].cell_id
    folder = run.record(cell, Traffic(latencies(900, 20.0)))
    path = folder / "locust/worker-lab-load-0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"left_lab": left}))
    row = measure_attempt(run.dir, cell, 1)
    assert row.status == status, row.reason
    if left:
        assert row.reason == left_lab_sentence(left)
        rest = len(run.plan.steps) - 1
        assert outcome(run.dir).endswith(row.reason)
        assert cell in outcome(run.dir) and f" {rest}. " in outcome(run.dir)
        # Without this file, the attempt would be retried.
        assert retry_steps(run.dir) == []
        # A retry would send to the same address.
        with pytest.raises(LabError, match=cell) as refused:
            refuse_ended(run.dir)
        # The reason ends with "start a new run". The next command is that of a new run, not that of the refused one.
        again = f"./lab sweep {run.plan.sweep_file}"
        assert str(refused.value).endswith(f"start a new run: {again}") and refused.value.next_command == again
        words = {"reason": row.reason, "outcome": outcome(run.dir), "resume": str(refused.value)}
        golden("left_lab.yml", {name: text.replace(str(run.dir), "RUN") for name, text in words.items()})
        path.unlink()
        refuse_ended(run.dir)
        assert [step.cell_id for step in retry_steps(run.dir)] == [cell]
