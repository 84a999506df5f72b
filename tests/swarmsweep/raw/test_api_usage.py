"""Samples of a host -> usage over the window, with None wherever it was not measured."""

import json

import msgspec
import pytest
from run_folder import MIB, Traffic, sample_lines

from swarmsweep.errors import LabError
from swarmsweep.raw.api_usage import usage_over, without_predecessors
from swarmsweep.raw.samples import Sample, read_samples

IDS = {"a" * 64, "b" * 64}
WINDOW = (1_000_005.0, 1_000_017.0)


def samples(**options):
    """Samples of two replicas over 21 seconds, from half a second past 1 000 000 on."""
    return sample_lines(sorted(IDS), Traffic([], **options))


def typed(lines):
    """The samples as they are read."""
    return msgspec.convert(lines, list[Sample])


def test_usage_between_the_samples_around_the_window():
    usage = usage_over([typed(samples(cpu_cores=0.5, throttled_share=0.4, oom_kills=2))], WINDOW, IDS)
    assert usage.cpu_cores == pytest.approx(0.5)
    assert (usage.periods, usage.throttled_periods) == (2 * 130, 2 * 52)
    assert usage.throttled_percent == pytest.approx(40.0)
    assert usage.memory_peak_bytes == 120 * MIB
    assert usage.oom_kills == 4  # the last of each container, added up
    assert usage.host_busy_percent == pytest.approx(50.0)


# The kernel keeps no peak of files in memory, and they may be removed before the end.
def test_files_in_memory_are_the_most_of_any_sample_and_replica():
    lines = samples()
    assert usage_over([typed(lines)], WINDOW, IDS).shared_memory_peak_bytes is None
    for second, (one, two) in {3: (5 * MIB, None), 12: (70 * MIB, 90 * MIB), 21: (0, 0)}.items():
        lines[second]["containers"]["a" * 64]["shared_memory_bytes"] = one
        lines[second]["containers"]["b" * 64]["shared_memory_bytes"] = two
    assert usage_over([typed(lines)], WINDOW, IDS).shared_memory_peak_bytes == 90 * MIB
    assert usage_over([typed(lines)], WINDOW, {"a" * 64}).shared_memory_peak_bytes == 70 * MIB
    assert usage_over([typed(lines)], None, IDS).shared_memory_peak_bytes == 90 * MIB


def test_two_hosts_are_added_up_and_the_busier_one_is_named():
    one = sample_lines(["a" * 64], Traffic([], cpu_cores=0.25), busy=0.3)
    two = sample_lines(["b" * 64], Traffic([], cpu_cores=0.5), busy=0.9)
    usage = usage_over([typed(one), typed(two)], WINDOW, IDS)
    assert usage.cpu_cores == pytest.approx(0.75)
    assert usage.host_busy_percent == pytest.approx(90.0)


def test_other_containers_of_the_host_do_not_count():
    lines = sample_lines([*sorted(IDS), "c" * 64], Traffic([], cpu_cores=0.9))
    assert usage_over([typed(lines)], WINDOW, IDS).cpu_cores == pytest.approx(0.6)


def without_counter(lines, name):
    """The samples of a kernel that does not offer a counter."""
    for line in lines:
        for counters in line["containers"].values():
            counters[name] = None
    return lines


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (samples()[7:], {"cpu_cores", "throttled_percent", "host_busy_percent"}),  # begins within the window
        (samples()[:12], {"cpu_cores", "throttled_percent", "host_busy_percent"}),  # ends within the window
        (without_counter(samples(), "periods"), {"throttled_percent"}),
        (without_counter(samples(), "cpu_seconds"), {"cpu_cores"}),
        (without_counter(samples(), "memory_peak_bytes"), {"memory_peak_bytes"}),
        (without_counter(samples(), "oom_kills"), {"oom_kills"}),
        ([], {"cpu_cores", "throttled_percent", "host_busy_percent", "memory_peak_bytes", "oom_kills"}),
        (sample_lines(["a" * 64], Traffic([])), {"cpu_cores", "throttled_percent", "host_busy_percent"}),  # no sample
    ],
)
def test_what_was_not_measured_is_null(lines, missing):
    usage = usage_over([typed(lines)], WINDOW, IDS)
    figures = ("cpu_cores", "throttled_percent", "host_busy_percent", "memory_peak_bytes", "oom_kills")
    assert {name for name in figures if getattr(usage, name) is None} == missing


def test_a_replica_that_vanished_makes_cpu_unknown_and_keeps_its_peak():
    lines = samples()
    for line in lines[10:]:
        del line["containers"]["b" * 64]
    usage = usage_over([typed(lines)], WINDOW, IDS)
    assert usage.cpu_cores is None
    assert usage.memory_peak_bytes == 120 * MIB


def test_a_counter_that_went_back_is_no_usage():
    lines = samples()
    for line in lines[10:]:
        line["containers"]["a" * 64]["cpu_seconds"] = 0.0
    assert usage_over([typed(lines)], WINDOW, IDS).cpu_cores is None


def test_no_periods_is_not_zero_percent():
    lines = without_counter(samples(), "periods")
    for line in lines:
        for counters in line["containers"].values():
            counters["periods"] = 0
    assert usage_over([typed(lines)], WINDOW, IDS).throttled_percent is None


def test_a_broken_last_line_is_left_out_and_another_is_refused(tmp_path):
    path = tmp_path / "samples-api-lab-api.jsonl"
    lines = [json.dumps(line) for line in samples()]
    path.write_text("\n".join(lines)[:-20])
    assert len(read_samples(path)) == len(lines) - 1
    path.write_text("\n".join(["{broken", *lines]) + "\n")
    with pytest.raises(LabError, match=r"samples-api-lab-api\.jsonl:1: is not valid JSON"):
        read_samples(path)
    path.write_text('{"t": 1, "host": {}, "containers": {"a": 3}}\n')
    with pytest.raises(LabError, match=r"is not a sample: Expected `object`, got `int` - at `\$\.containers"):
        read_samples(path)


def test_replicas_of_the_cell_before_do_not_count():
    """Recorded while a replica was started that needed more than 32 MiB: its predecessor had used 76 MiB."""
    older = {"service": "lab_api_api", "memory_peak_bytes": 79683584, "oom_kills": 0}
    newer = {"service": "lab_api_api", "memory_peak_bytes": 33554432, "oom_kills": 1}
    proxy = {"service": "lab_platform_proxy", "memory_peak_bytes": None, "oom_kills": None}
    lines = typed(
        [
            {"t": 98.4, "host": {}, "containers": {"old": older, "proxy": proxy}},
            {"t": 100.4, "host": {}, "containers": {"old": older, "new": newer, "proxy": proxy}},
        ]
    )
    assert without_predecessors(lines, 50.0) is lines
    left = without_predecessors(lines, 100.0)
    assert [sorted(line.containers) for line in left] == [["proxy"], ["new", "proxy"]]
    usage = usage_over([left], None, set())
    assert (usage.memory_peak_bytes, usage.oom_kills) == (33554432, 1)
    assert usage_over([without_predecessors(lines[:1], 100.0)], None, set()).memory_peak_bytes is None


COUNTS = [
    # Seconds from the start of the samples -> count of each replica; the window is from 5 to 17.
    ({11: (2, 2)}, (2, 2)),
    # One count of several is a moment in which a process was missing, or counted twice.
    ({6: (4, 4), 8: (4, 3), 11: (3, 4), 14: (4, 5), 16: (4, 4)}, (4, 4)),
    ({6: (1, 1), 16: (2, 2)}, (2, 2)),
    ({6: (1, None), 10: (None, 3)}, (1, 3)),
    # Before and after the window; one replica was never counted; nothing was.
    ({3: (2, 2), 18: (2, 2)}, None),
    ({11: (2, None)}, None),
    ({}, None),
]


@pytest.mark.parametrize(("counts", "expected"), COUNTS)
def test_server_processes_are_the_median_of_the_counts_in_the_window(counts, expected):
    lines = samples()
    for second, line in enumerate(lines):
        for name, count in zip(sorted(IDS), counts.get(second, (None, None)), strict=True):
            line["containers"][name]["server_processes"] = count
    assert usage_over([typed(lines)], WINDOW, IDS).server_processes == expected
    assert usage_over([typed(lines)], WINDOW, set()).server_processes == expected


PROCESSES = [
    # The same counts for each replica of all its processes; the window is from 5 to 17.
    ({11: (6, 6)}, (6, 6)),
    ({6: (6, 7), 10: (7, 7)}, (6, 7)),
    # A quarter of the counts on each side is left out: here one of the five, of each replica.
    ({6: (5, 6), 8: (6, 6), 10: (6, 6), 12: (6, 6), 14: (6, 9)}, (6, 6)),
    ({6: (5, 6), 8: (5, 6), 10: (6, 6), 12: (6, 8), 14: (6, 9)}, (5, 8)),
    ({3: (6, 6), 18: (6, 6)}, None),
    ({11: (6, None)}, None),
]


@pytest.mark.parametrize(("counts", "expected"), PROCESSES)
def test_the_range_of_all_processes_leaves_out_single_moments(counts, expected):
    lines = samples()
    for second, line in enumerate(lines):
        for name, count in zip(sorted(IDS), counts.get(second, (None, None)), strict=True):
            line["containers"][name]["processes"] = count
    usage = usage_over([typed(lines)], WINDOW, IDS)
    assert usage.processes_range == expected
    # The server processes may be unknown where the number of all processes is known.
    assert usage.server_processes is None
