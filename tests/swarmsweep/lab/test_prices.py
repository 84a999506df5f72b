"""The setting `lab_prices`."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.lab.prices import Prices, prices_from_json, read_prices

EUR = {"cpu_hour": 0.04, "gib_hour": 0.0045, "currency": "EUR"}
READ = [
    (None, None),
    ({}, None),
    ("", None),
    (EUR, Prices(cpu_hour=0.04, gib_hour=0.0045, host_hour=0, currency="EUR")),
    ({"host_hour": 2, "currency": "chf"}, Prices(host_hour=2, currency="chf")),
]
# A value, and the mistake that the message names.
REFUSED = [
    (7, "lab_prices is 7;"),
    ([], r"lab_prices is \[\];"),
    (EUR | {"disk_hour": 1}, "has the unknown key 'disk_hour'"),
    (EUR | {"cpu_hour": -1}, "lab_prices.cpu_hour is -1;"),
    (EUR | {"cpu_hour": "0.04"}, "lab_prices.cpu_hour is '0.04'"),
    (EUR | {"gib_hour": True}, "lab_prices.gib_hour is True"),
    (EUR | {"gib_hour": None}, "lab_prices.gib_hour is None"),
    (EUR | {"host_hour": float("nan")}, "lab_prices.host_hour is nan"),
    (EUR | {"host_hour": float("inf")}, "lab_prices.host_hour is inf"),
    (EUR | {"host_hour": 1e9}, "lab_prices.host_hour is 1000000000.0"),
    ({"cpu_hour": 0, "currency": "EUR"}, "has no price above 0"),
    ({"currency": "EUR"}, "has no price above 0"),
    ({"cpu_hour": 1}, "has no currency"),
    (EUR | {"currency": ""}, "lab_prices.currency is ''"),
    (EUR | {"currency": "$"}, r"lab_prices.currency is '\$'"),
    (EUR | {"currency": "EUR|x"}, "lab_prices.currency is"),
    (EUR | {"currency": 5}, "lab_prices.currency is 5"),
]


@pytest.mark.parametrize(("value", "prices"), READ)
def test_prices_are_read_and_stored(value, prices):
    found = read_prices(value)
    assert found == prices
    assert prices_from_json(None if found is None else found.as_json()) == prices


@pytest.mark.parametrize(("value", "said"), REFUSED)
def test_a_mistake_is_refused_with_the_file_and_an_example(value, said):
    with pytest.raises(InputError, match=said) as refused:
        read_prices(value, "inventory/mine")
    text = str(refused.value)
    assert "allowed: numbers from 0" in text and "{cpu_hour: 0.04, gib_hour: 0.0045, currency: EUR}" in text
    assert "change it in inventory/mine/group_vars/all/lab.yml" in text


def test_prices_in_words_are_plain_numbers():
    prices = read_prices(EUR)
    assert prices is not None
    assert prices.describe() == "cpu_hour 0.04, gib_hour 0.0045, host_hour 0 EUR"
