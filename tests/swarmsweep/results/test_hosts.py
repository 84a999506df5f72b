"""The hosts of several attempts as rows of a cell."""

from dataclasses import replace

from swarmsweep.plan.row import HostUse
from swarmsweep.raw.machine_usage import MachineUsage
from swarmsweep.results.hosts import merge_hosts

API = MachineUsage(
    group="api",
    cores=2,
    busy_percent=40.0,
    memory_bytes=1000,
    memory_total_bytes=4000,
    interface="host0",
    received_bytes_per_second=10.0,
    sent_bytes_per_second=20.0,
    link_percent=5.0,
    disk_read_bytes_per_second=0.0,
    disk_written_bytes_per_second=8.0,
    disk_busy_percent=2.0,
)
LOAD = MachineUsage(group="load", cores=1, busy_percent=70.0)


def test_means_and_maxima_over_attempts():
    busier = replace(
        API,
        busy_percent=60.0,
        memory_bytes=1500,
        received_bytes_per_second=30.0,
        link_percent=9.0,
        disk_written_bytes_per_second=0.0,
        disk_busy_percent=1.0,
    )
    api, load = merge_hosts([{"a-load": LOAD, "b-api": API}, {"a-load": LOAD, "b-api": busier}])
    assert load == HostUse(name="a-load", group="load", cores=1, cpu_percent=70.0)
    assert api == HostUse(
        name="b-api",
        group="api",
        cores=2,
        cpu_percent=50.0,
        memory_bytes=1500,
        memory_total_bytes=4000,
        interface="host0",
        received_bytes_per_second=20.0,
        sent_bytes_per_second=20.0,
        link_percent=9.0,
        disk_read_bytes_per_second=0.0,
        disk_written_bytes_per_second=4.0,
        disk_busy_percent=2.0,
    )


def test_a_figure_that_one_attempt_lacks_is_null():
    (api,) = merge_hosts([{"b-api": API}, {"b-api": replace(API, busy_percent=None, interface="host1")}])
    assert (api.cpu_percent, api.interface, api.memory_bytes) == (None, None, 1000)
    (api,) = merge_hosts([{"b-api": API}, {}])
    assert api == HostUse(name="b-api", group="api")


def test_without_samples_there_are_no_hosts():
    assert merge_hosts([{}, {}]) is None
