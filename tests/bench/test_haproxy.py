"""HAProxy of the benchmarks is configured as the lab's, and its package's libraries are known."""

import pytest

from bench import haproxy, packages
from swarmsweep.errors import LabError


def test_the_proxy_is_configured_as_in_the_lab(tmp_path):
    text = haproxy.config(tmp_path, 7, 4711)
    assert "balance leastconn" in text and "http-check send meth GET uri /ready" in text
    assert "bind fd@7\n" in text
    assert text.rstrip().endswith("server api-1 127.0.0.1:4711")
    assert "resolvers" not in text and f"stats socket {tmp_path}/haproxy.sock" in text


def test_a_template_that_has_changed_is_refused(tmp_path, monkeypatch):
    changed = haproxy.TEMPLATE.read_text(encoding="utf-8").replace("bind :8080", "bind *:80")
    template = tmp_path / "haproxy.cfg.j2"
    template.write_text(changed, encoding="utf-8")
    monkeypatch.setattr(haproxy, "TEMPLATE", template)
    with pytest.raises(LabError, match="0 times, not once"):
        haproxy.config(tmp_path, 7, 4711)


def test_libraries_of_a_package():
    depends = (
        "libc6 (>= 2.34), libcrypt1 (>= 1:4.1.0), liblua5.3-0, libsystemd0 | libelogind0, adduser, "
        "lsb-base (>= 3.0-6) | sysvinit-utils, init-system-helpers (>= 1.54~)\n"
    )
    assert packages.libraries(depends) == ["libc6", "libcrypt1", "liblua5.3-0", "libsystemd0"]
