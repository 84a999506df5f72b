"""HAProxy of the benchmark is configured as the lab's."""

import pytest

from bench.truth import haproxy
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
