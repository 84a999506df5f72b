"""Samples of hosts -> what each machine did, with None wherever it was not measured."""

import copy

import msgspec
import pytest
from run_folder import MIB, Traffic, sample_lines

from swarmsweep.raw.api_usage import usage_over
from swarmsweep.raw.machine_samples import machines_over
from swarmsweep.raw.machine_usage import ContainerUsage, MachineUsage
from swarmsweep.raw.samples import Sample

API, PROXY = "a" * 64, "b" * 64
WINDOW = (1_000_005.0, 1_000_017.0)


def samples(own=0.3, lab=None, steal=0.01, service="lab_platform_proxy"):
    """Samples over 21 seconds of a machine that is half busy; counters grow by so much a second."""
    lines = sample_lines([API, PROXY], Traffic([], cpu_cores=0.5, throttled_share=0.4))
    for second, line in enumerate(lines):
        host = line["host"]
        host["cpu_seconds"] |= {"steal": second * steal, "idle": second * (0.5 - steal)}
        host |= {
            "own_cpu_seconds": 7 + second * own,
            "lab_cpu_seconds": None if lab is None else 5 + second * lab,
            "sampler_cpu_seconds": 0.1 + second * 0.003,
            "tcp": {"segments_out": 1000 + second * 2000, "retransmitted": 3 + second * 5},
        }
        line["containers"][API]["service"] = "lab_api_api"
        line["containers"][PROXY] |= {
            "service": service,
            "memory_peak_bytes": None,
            "periods": 0,
            "throttled_periods": 0,
        }
    return lines


def typed(lines):
    """The samples as they are read."""
    return msgspec.convert(lines, list[Sample])


def machine(lines, group="api") -> MachineUsage:
    return machines_over({"lab-api": typed(lines)}, {"lab-api": group}, WINDOW)["lab-api"]


def test_a_machine_over_a_window():
    found = machine(samples())
    assert (found.group, found.cores) == ("api", 1)
    assert found.busy_percent == pytest.approx(51.0)  # what was stolen was not idle
    assert found.steal_percent == pytest.approx(1.0)
    assert found.external_cpu_cores == pytest.approx(0.2)  # half a core busy, 0.3 of it by the machine
    assert found.retransmitted_percent == pytest.approx(0.25)
    assert found.retransmitted_per_second == pytest.approx(5)
    assert found.sampler_cores == pytest.approx(0.003)
    assert found.containers == {
        API: ContainerUsage("api", pytest.approx(0.25), pytest.approx(40.0), 120 * MIB),
        PROXY: ContainerUsage("proxy", pytest.approx(0.25), None, None),  # without a quota there are no periods
    }


@pytest.mark.parametrize(
    ("own", "lab", "foreign"),
    [
        (0.3, None, 0.2),  # a machine that shares its computer: busy less its own
        (0.6, None, 0.0),  # ticks and clocks differ
        (0.45, 0.4, 0.05),  # a whole computer: its processes less the lab's
    ],
)
def test_cpu_of_others(own, lab, foreign):
    assert machine(samples(own=own, lab=lab)).external_cpu_cores == pytest.approx(foreign)


@pytest.mark.parametrize(
    ("changes", "group", "cores"),
    [
        ({"own": 0.6}, "api", 0.6 - 0.5 - 0.003),  # its own less half a core of two containers and the sampler
        ({"own": 0.5}, "api", 0.0),  # clocks of two counters
        ({"own": 0.6, "lab": 0.55}, "api", None),  # a whole computer: these are in external_cpu_cores
        ({"own": 0.6}, "load", None),  # the samples do not have Locust's part
        ({"own": 0.6, "service": None}, "api", None),  # an older sampler has not all containers
    ],
)
def test_cpu_of_the_machine_outside_the_lab_s_containers(changes, group, cores):
    found = machine(samples(**changes), group).other_own_cpu_cores
    assert found == (cores if cores is None else pytest.approx(cores))


@pytest.mark.parametrize("seen", [slice(0, 10), slice(10, None)])
def test_without_a_container_at_both_ends_the_rest_of_the_machine_s_cpu_is_not_known(seen):
    lines = samples(own=0.6)
    for line in lines[seen]:
        del line["containers"][PROXY]
    assert machine(lines).other_own_cpu_cores is None


def without(lines, *names):
    lines = copy.deepcopy(lines)
    for line in lines:
        for name in names:
            line["host"][name] = None
    return lines


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("own_cpu_seconds",), {"external_cpu_cores", "other_own_cpu_cores"}),
        (("cpu_seconds",), {"external_cpu_cores", "busy_percent", "steal_percent"}),
        (("tcp",), {"retransmitted_percent", "retransmitted_per_second"}),
        (("sampler_cpu_seconds",), {"sampler_cores", "other_own_cpu_cores"}),
        (("cores",), {"cores"}),
    ],
)
def test_a_missing_counter_of_the_kernel_is_null_and_the_others_stay(names, missing):
    found = machine(without(samples(), *names))
    figures = (
        *("cores", "busy_percent", "steal_percent", "external_cpu_cores", "sampler_cores"),
        *("retransmitted_percent", "retransmitted_per_second", "other_own_cpu_cores"),
    )
    assert {name for name in figures if getattr(found, name) is None} == missing


def linked(speed_mbit, rx, tx):
    """Samples with a link of 1 Gbit/s that is nearly idle, and one of this speed with bytes a second."""
    lines = samples()
    for second, line in enumerate(lines):
        line["host"]["network"] = {
            "eth0": {"rx_bytes": second, "tx_bytes": second, "speed_mbit": 1000},
            "eth1": {"rx_bytes": second * rx, "tx_bytes": second * tx, "speed_mbit": speed_mbit},
        }
    return lines


@pytest.mark.parametrize(
    ("speed_mbit", "rx", "tx", "link"),
    [
        (100, 11_250_000, 1000, ("eth1", 90.0)),
        (100, 1000, 12_000_000, ("eth1", 96.0)),
        # Its speed is not known, so its bytes show nothing.
        (None, 11_250_000, 1000, ("eth0", 0.0)),
    ],
)
def test_the_fullest_link_whose_speed_is_known(speed_mbit, rx, tx, link):
    found = machine(linked(speed_mbit, rx, tx))
    assert (found.link_name, found.link_percent) == (link[0], pytest.approx(link[1], abs=0.01))


def test_memory_is_the_most_that_was_not_available_within_the_window():
    lines = samples()
    for line, available in ((lines[0], 1), (lines[9], 1024), (lines[21], 1)):
        line["host"]["memory_available_bytes"] = available * MIB
    found = machine(lines)
    assert (found.memory_bytes, found.memory_total_bytes) == ((4096 - 1024) * MIB, 4096 * MIB)
    del lines[9]["host"]["memory_available_bytes"]
    assert machine(lines).memory_bytes is None


@pytest.mark.parametrize(
    ("other", "share", "interface", "received", "sent"),
    [
        ("eth1", 0.5, "host0", 2.0, 1.0),
        ("eth1", 1.5, "eth1", 3.0, 1.5),
        # The bytes of containers, which are also those of the interface behind the bridge.
        ("docker_gwbridge", 1.5, "host0", 2.0, 1.0),
    ],
)
def test_the_network_is_the_interface_with_most_bytes(other, share, interface, received, sent):
    lines = samples()
    for second, line in enumerate(lines):
        counters = {"rx_bytes": second * share * 2 * MIB, "tx_bytes": second * share * MIB, "speed_mbit": None}
        line["host"]["network"][other] = counters
    found = machine(lines)
    rates = (found.received_bytes_per_second, found.sent_bytes_per_second)
    assert (found.interface, rates) == (interface, pytest.approx((received * MIB, sent * MIB)))


def disks(**busy_share):
    """Samples with disks that read 1 MiB and write 2 MiB each second, and are busy for this share of the time."""
    lines = samples()
    for second, line in enumerate(lines):
        line["host"]["disks"] = {
            name: {"read_bytes": second * MIB, "written_bytes": second * 2 * MIB, "busy_seconds": second * share}
            for name, share in busy_share.items()
        }
    return lines


@pytest.mark.parametrize(
    ("busy_share", "read", "written", "busy_percent"),
    [
        ({"vda": 0.2}, 1, 2, 20.0),
        # Bytes of all disks, and the busiest of them.
        ({"vda": 0.2, "vdb": 0.9}, 2, 4, 90.0),
        # The kernel adds the time of a request when it ends.
        ({"vda": 1.01}, 1, 2, 100.0),
    ],
)
def test_disks_over_a_window(busy_share, read, written, busy_percent):
    found = machine(disks(**busy_share))
    assert found.disk_read_bytes_per_second == pytest.approx(read * MIB)
    assert found.disk_written_bytes_per_second == pytest.approx(written * MIB)
    assert found.disk_busy_percent == pytest.approx(busy_percent)


@pytest.mark.parametrize("seen", [None, {}, "late"])
def test_disks_that_were_not_sampled_at_both_ends_show_nothing(seen):
    lines = disks(vda=0.2, vdb=0.9)
    for line in lines[:10]:
        del line["host"]["disks"]["vdb"]
    for line in lines if seen != "late" else ():
        line["host"]["disks"] = seen
    found = machine(lines)
    figures = (found.disk_read_bytes_per_second, found.disk_written_bytes_per_second, found.disk_busy_percent)
    assert figures == (None, None, None)


def test_files_of_an_older_sampler_have_the_api_alone():
    lines = sample_lines([API], Traffic([], cpu_cores=0.5))
    for line in lines:
        for name in ("memory_total_bytes", "network", "disks"):
            del line["host"][name]
    found = machine(lines)
    assert found.containers[API].service == "api"
    assert (found.external_cpu_cores, found.retransmitted_percent, found.sampler_cores) == (None, None, None)
    assert (found.link_name, found.link_percent) == (None, None)
    assert (found.memory_bytes, found.interface, found.disk_busy_percent) == (None, None, None)
    assert found.busy_percent == pytest.approx(50.0)


@pytest.mark.parametrize("lines", [[], samples()[7:], samples()[:12]])
def test_samples_that_do_not_cover_the_window_say_nothing(lines):
    assert machine(lines, "load") == MachineUsage(group="load")


def test_a_counter_that_went_back_is_not_a_figure():
    lines = samples()
    for line in lines[12:]:
        line["host"]["own_cpu_seconds"] = 1.0
        line["host"]["tcp"] = {"segments_out": 5, "retransmitted": 0}
        line["containers"][PROXY]["cpu_seconds"] = 0.0
    found = machine(lines)
    assert (found.external_cpu_cores, found.retransmitted_percent) == (None, None)
    assert found.containers[PROXY].cpu_cores is None
    assert found.containers[API].cpu_cores == pytest.approx(0.25)


def test_a_container_that_came_within_the_window_has_no_rate():
    lines = samples()
    for line in lines[:10]:
        del line["containers"][PROXY]
    assert machine(lines).containers[PROXY] == ContainerUsage("proxy")


def test_usage_of_the_api_leaves_the_other_services_out():
    lines = samples()
    assert usage_over([typed(lines)], WINDOW, {API}).cpu_cores == pytest.approx(0.25)
    # The deployment was not recorded, so the names of the services decide.
    assert usage_over([typed(lines)], WINDOW, set()).cpu_cores == pytest.approx(0.25)
    assert usage_over([typed(samples(service="lab_api_api"))], WINDOW, set()).cpu_cores == pytest.approx(0.5)
