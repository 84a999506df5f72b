"""What of Docker is on a host already is kept, or refused with cause and fix."""

import json
from pathlib import Path

import jinja2
import pytest
import yaml

from swarmsweep.lab.engine import OWN_SETTINGS, engine_problem
from swarmsweep.lab.preflight import find_problems, untested_machines
from tests.swarmsweep.lab.test_preflight import SIDES, SOUND, facts

ROOT = Path(__file__).parents[3]
OWN = OWN_SETTINGS


def found(package="docker.io", version="20.10.24+dfsg1", settings=None, containers=(), buildx=False):
    """What a host reports of Docker."""
    told = {"package": package, "version": version, "client": version, "buildx": buildx}
    return told | {"settings": settings, "containers": list(containers)}


@pytest.mark.parametrize(
    ("engine", "host"),
    [
        ("distribution", found(package="", version="")),
        ("distribution", found()),
        ("distribution", found(settings={})),
        ("distribution", found(settings={"log-opts": OWN["log-opts"]})),
        # A provisioned host: the file does not change, so nothing is restarted.
        ("distribution", found(settings=OWN, containers=["shop"])),
        ("docker-ce", found(package="docker-ce", version="29.1.2")),
        (
            "present",
            found(
                package="docker-ce",
                version="29.1.2",
                buildx=True,
                settings={"data-root": None, "log-driver": "journald"},
                containers=["shop"],
            ),
        ),
        ("present", found(package="unknown", version="20.10.0")),
        # The command of this version builds by itself.
        ("present", found()),
        ("present", found(version="26.1.5+dfsg1", buildx=True)),
        # The role installs the plugin.
        ("distribution", found(version="26.1.5+dfsg1")),
        # The role refuses it, with the allowed values.
        ("moby", found(package="docker-ce")),
    ],
)
def test_an_engine_that_can_be_used(engine, host):
    assert engine_problem(engine, host) is None


@pytest.mark.parametrize(
    ("engine", "host", "words"),
    [
        ("distribution", found(package="docker-ce"), ("package docker-ce", "docker.io", "lab_docker_engine: present")),
        ("distribution", found(package="unknown"), ("has a Docker Engine,", "lab_docker_engine: present")),
        ("docker-ce", found(), ("package docker.io", "install docker-ce", "lab_docker_engine: present")),
        (
            "distribution",
            found(settings={"data-root": None, "log-opts": {}, "registry-mirrors": None}),
            ("daemon.json", "data-root, registry-mirrors.", "lab_docker_engine: present", "rename the file"),
        ),
        ("distribution", found(settings={"(not valid JSON)": None}), ("daemon.json", "(not valid JSON)")),
        (
            "distribution",
            found(settings=OWN | {"log-driver": "journald"}),
            (
                'would change: log-driver from "journald" to "json-file".',
                "lab_docker_engine: present",
                "rename the file",
            ),
        ),
        (
            "docker-ce",
            found(package="docker-ce", settings={"log-driver": "json-file", "log-opts": {"max-size": "1g"}}),
            ('would change: log-opts from {"max-size": "1g"} to {"max-size": "10m", "max-file": "3"}.',),
        ),
        ("distribution", found(containers=["shop", "db"]), ("restarts Docker", "shop, db.", "present", "stop them")),
        ("distribution", found(containers=list("abcdefg")), ("a, b, c, d, e and 2 more",)),
        ("present", found(package="", version=""), ("no Docker Engine", "lab_docker_engine: distribution")),
        ("present", found(version=""), ("does not respond", "systemctl status docker")),
        ("present", found(version="19.03.8"), ("19.03.8", "20.10 or newer")),
        (
            "present",
            found(version="26.1.5+dfsg1"),
            ("26.1.5+dfsg1 without its plugin buildx", "Fix: apt-get install --yes docker-buildx"),
        ),
        ("present", found("docker-ce", "23.0.0"), ("Fix: apt-get install --yes docker-buildx-plugin",)),
        ("present", found("unknown", "29.1.2"), ("Fix: install it, see https://docs.docker.com/go/buildx/",)),
        ("present", found(package="podman-docker", version="5.0.3"), ("Podman has no Swarm", "apt-get remove")),
    ],
)
def test_an_engine_that_is_refused(engine, host, words):
    problem = engine_problem(engine, host)
    for word in words:
        assert word in problem


def test_the_settings_are_those_that_the_role_writes():
    role = ROOT / "roles/docker_engine"
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    written = jinja2.Template((role / "templates/daemon.json.j2").read_text()).render(defaults)
    assert json.loads(written) == OWN_SETTINGS


def test_the_api_hosts_alone_are_judged_and_only_where_the_engine_may_change():
    foreign = facts(docker=found(package="docker-ce"))
    engines = {"lab-api": "distribution"}
    [problem] = find_problems(SOUND | {"lab-api": foreign}, SIDES, docker_engines=engines)
    assert problem.startswith("lab-api (10.0.0.5) has the package docker-ce, and lab_docker_engine is 'distribution'")
    assert find_problems(SOUND | {"lab-api": foreign}, SIDES) == []
    assert find_problems(SOUND | {"lab-load": foreign}, SIDES, docker_engines=engines) == []


def test_each_api_host_is_judged_by_its_own_setting():
    lab = SOUND | {"lab-api": facts(docker=found()), "lab-api2": facts("10.0.0.7", docker=found(package="docker-ce"))}
    sides, engines = SIDES | {"api": ["lab-api", "lab-api2"]}, {"lab-api": "distribution", "lab-api2": "present"}
    assert find_problems(lab, sides, docker_engines=engines) == []
    [problem] = find_problems(lab, sides, docker_engines=engines | {"lab-api2": "distribution"})
    assert problem.startswith("lab-api2 (10.0.0.7) has the package docker-ce")


def test_the_plugin_that_builds_is_needed_where_images_are_built():
    bare, whole = found(version="26.1.5"), found(version="26.1.5", buildx=True)
    sides, engines = SIDES | {"api": ["lab-api", "lab-api2"]}, {"lab-api": "present", "lab-api2": "present"}
    for first, second, has_registry, named in (
        (whole, bare, True, []),
        (whole, bare, False, ["lab-api2"]),
        (bare, whole, True, ["lab-api"]),
        (bare, bare, False, ["lab-api", "lab-api2"]),
    ):
        lab = SOUND | {"lab-api": facts(docker=first), "lab-api2": facts("10.0.0.7", docker=second)}
        told = find_problems(lab, sides, docker_engines=engines, is_registry_used=has_registry)
        assert [problem.split()[0] for problem in told] == named


def test_other_kinds_of_processors_are_refused_or_named():
    for machine in ("x86_64", "aarch64"):
        assert find_problems(SOUND | {"lab-api": facts(machine=machine)}, SIDES) == []
    [problem] = find_problems(SOUND | {"lab-api": facts(machine="riscv64")}, SIDES)
    assert "of the kind riscv64; allowed: x86_64, and aarch64 (untested)" in problem
    assert untested_machines(SOUND) == []
    [warning] = untested_machines(SOUND | {"lab-load": facts("10.0.0.6", machine="aarch64")})
    assert warning.startswith("lab-load has a processor of the kind aarch64, on which swarmsweep was never tested.")
