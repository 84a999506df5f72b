"""Docker's memory units, and the formats that people read."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.units import (
    factor_text,
    format_bytes,
    format_figure,
    format_memory,
    format_plain,
    format_seconds,
    memory_fault,
    nano_cpus,
    parse_memory,
    parse_memory_setting,
    quoted,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("600M", 600 * 1024**2),
        ("600m", 600 * 1024**2),
        ("600MB", 600 * 1024**2),
        ("600mb", 600 * 1024**2),
        ("1G", 1024**3),
        ("1.5g", 1536 * 1024**2),
        ("0.1G", 107374182),  # rounded down, as Docker does
        ("512k", 512 * 1024),
        ("104857600b", 104857600),
        ("8388608B", 8388608),
        ("007M", 7 * 1024**2),
        ("1Gi", 1024**3),  # as Kubernetes writes it
        ("600MiB", 600 * 1024**2),
        ("1.2G", 1288490188),
    ],
)
def test_memory_is_read_as_docker_does(text, size_bytes):
    assert parse_memory(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "M", "1", "1Bi", "1 M", " 1M", "1M\n", "-1M", "+1M", "1T", "1,5G", "0x1M", "\u0661M", "1e3M"]
)
def test_other_memory_is_refused(text):
    with pytest.raises(InputError, match="allowed: a number with the unit b, k, m or g"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("512", "has no unit: write 512M or 512G"),
        ("1 GB", "has a space: write 1G"),
        ("600 Mi", "has a space: write 600M"),
        ("2T", "is in a unit that is not allowed here: write 2048G"),
        ("0.5TiB", "write 512G"),
        ("-1M", "is negative"),
        (".5G", "has no digit before the point: write 0.5G"),
    ],
)
def test_a_refused_amount_is_shown_as_docker_takes_it(text, words):
    with pytest.raises(InputError, match=words):
        parse_memory(text)


@pytest.mark.parametrize("value", [512 * 1024**2, str(512 * 1024**2), "512M"])
def test_a_setting_may_be_bytes(value):
    assert (parse_memory_setting(value), memory_fault(value)) == (512 * 1024**2, None)


@pytest.mark.parametrize("value", [True, 512, "512", None, [1024**2], -(1024**2), "9" * 31])
def test_a_setting_that_is_no_amount_of_memory_is_refused(value):
    with pytest.raises(InputError):
        parse_memory_setting(value)
    assert memory_fault(value)


@pytest.mark.parametrize("text", ["600M", "1G", "1.5G", "1.2G", "1.33G", "1152M", "512K", "100b", "16384G", "102.4M"])
def test_memory_text_survives_a_round_trip(text):
    assert format_memory(parse_memory(text)) == text


@pytest.mark.parametrize(
    ("text", "short"), [("1536M", "1.5G"), ("104857600b", "100M"), ("1Gi", "1G"), ("1100M", "1100M")]
)
def test_an_amount_is_shown_as_short_as_it_goes(text, short):
    assert format_memory(parse_memory(text)) == short


@pytest.mark.parametrize(
    ("formatted", "expected"),
    [
        (format_memory(0), "0b"),
        (format_bytes(310_000_000), "296 MiB"),
        (format_bytes(4 * 1024**3), "4.0 GiB"),
        (format_bytes(12), "12 B"),
        (format_seconds(12.4), "12 s"),
        (format_seconds(250), "4 min 10 s"),
        (format_seconds(7260), "2 h 1 min"),
        (format_figure(0), "0"),
        (format_figure(0.001), "0.001"),
        (format_figure(9.876), "9.88"),
        (format_figure(500.04), "500.0"),
        *((factor_text(1.0), "x1"), (factor_text(1.07), "x1.07"), (factor_text(0.5), "x0.5")),
        *((factor_text(2.0), "x2"), (factor_text(12.34), "x12.3"), (factor_text(100.0), "x100")),
        (factor_text(1234.5), "x1234"),
        (format_plain(2.0), "2"),
        (format_plain(0.25), "0.25"),
        (quoted("a\nb"), "'a\\nb'"),
        (len(quoted("x" * 1000)), 64),
    ],
)
def test_formats(formatted, expected):
    assert formatted == expected


@pytest.mark.parametrize(("cpus", "expected"), [(0.5, 500_000_000), (2, 2_000_000_000), (2.01, 2_010_000_000)])
def test_cores_are_counted_as_docker_does(cpus, expected):
    # 2.01 times a thousand million is a little less than a whole number, which must not be cut.
    assert nano_cpus(cpus) == expected
