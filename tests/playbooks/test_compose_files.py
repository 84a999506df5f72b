"""`./lab compose`: the files for one machine without Swarm, from the inventory, without contact to a host."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OWN = {"lab_api_image": "registry.example/x:1", "lab_api_port": 3000, "lab_api_replicas": 2, "lab_proxy_port": 9090}


@pytest.fixture(scope="module")
def written(play, tmp_path_factory):
    """Run written(settings) and return what Docker Compose would read: api.yml, locust.yml and their folder."""

    def run(**given: object) -> tuple[dict, dict, Path]:
        scratch = tmp_path_factory.mktemp("compose")
        shutil.copytree(ROOT / "inventory/lab", scratch / "inventory")
        folder = scratch / "compose"
        known = {"compose_directory": str(folder), "lab_directory": str(scratch / "keys")}
        done = play(ROOT / "playbooks/compose.yml", scratch / "inventory", "-e", json.dumps(known | given))
        assert done.returncode == 0, done.stdout + done.stderr
        api, locust = (yaml.safe_load((folder / name).read_text()) for name in ("api.yml", "locust.yml"))
        return api, locust, folder

    return run


@pytest.fixture(scope="module")
def default(written):
    """The files of the inventory as the repository has it."""
    return written()


def test_the_labs_own_api_with_its_databases(default):
    api, locust, folder = default
    assert set(api["services"]) == {"api", "proxy", "postgres", "redis", "mlflow", "train"}
    for name, service in api["services"].items():
        context = Path(service["build"]["context"])
        assert (context / service["build"]["dockerfile"]).is_file(), name
        assert re.fullmatch(r"swarmsweep/[a-z]+:[0-9a-f]{12}", service["image"])
    # Each container reads its own password. Other users of this machine do not reach the folder.
    secrets = folder / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    for name in api["secrets"]:
        assert (secrets / name).stat().st_mode & 0o777 == 0o444
        assert re.fullmatch(r"[A-Za-z0-9]{32}", (secrets / name).read_text())
        assert (secrets / name).read_text() not in (folder / "api.yml").read_text()
    assert (folder / "api.yml").stat().st_mode & 0o777 == 0o600
    # Both files belong to one project, and share this network.
    assert api["networks"]["load"] == locust["networks"]["load"] == {"internal": True}


def test_a_number_of_connections_that_haproxy_cannot_have_is_refused(play, tmp_path):
    given = {"compose_directory": str(tmp_path / "compose"), "lab_proxy_max_connections": 0}
    done = play(ROOT / "playbooks/compose.yml", ROOT / "inventory/lab", "-e", json.dumps(given))
    assert done.returncode != 0
    assert "lab_proxy_max_connections is 0; allowed: " in done.stdout
    assert not (tmp_path / "compose").exists()


def test_an_api_of_the_user_with_its_secret(written, default, tmp_path):
    (tmp_path / "token").write_text("canary-4f1d")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a.bin").write_text("x")
    given = {
        "lab_api_secrets": {"TOKEN": str(tmp_path / "token")},
        "lab_api_mounts": {"/model": str(tmp_path / "model")},
    }
    api, locust, folder = written(**OWN, **given)
    # The same packages give the same image.
    assert locust["services"]["worker"]["image"] == default[1]["services"]["worker"]["image"]
    assert set(api["services"]) == {"api", "proxy"}
    service = api["services"]["api"]
    assert (service["image"], service["scale"], service["cpus"]) == ("registry.example/x:1", 2, "0.5")
    assert "build" not in service
    assert service["volumes"][-1] == {
        "type": "bind", "source": str(tmp_path / "model"), "target": "/model", "read_only": True,
    }  # fmt: skip
    assert (folder / "secrets/api_TOKEN").read_text() == "canary-4f1d"
    assert "canary" not in (folder / "api.yml").read_text()
    assert api["services"]["proxy"]["ports"] == ["127.0.0.1:9090:8080"]
    proxy = (folder / "haproxy.cfg").read_text()
    assert "server-template api- 100 api:3000 resolvers docker init-addr none" in proxy


def test_locust_has_a_page_on_this_machine_and_workers_that_reach_the_proxy_alone(default):
    _, locust, folder = default
    master, worker = (locust["services"][name] for name in ("master", "worker"))
    assert master["ports"] == ["127.0.0.1:8010:8089"]
    assert (master["networks"], worker["networks"]) == (["load", "page"], ["load"])
    assert not {"ports", "container_name"} & set(worker)
    assert master["command"][master["command"].index("--host") + 1] == "http://proxy:8080"
    for service in (master, worker):
        assert (
            service["command"][service["command"].index("--locustfile") + 1] == "/locustfiles/${SCENARIO:-predict.py}"
        )
        assert service["volumes"][0]["source"] == str(ROOT / "locustfiles")
    lock = ROOT / "roles/locust_host/files/requirements.txt"
    assert (folder / "locust/requirements.txt").read_text() == lock.read_text()
    assert (folder / "locust/Dockerfile").read_text().count("--require-hashes -r requirements.txt") == 1


def test_another_package_is_another_image(play, default, tmp_path):
    image = default[1]["services"]["worker"]["image"]
    assert re.fullmatch(r"swarmsweep/locust:[0-9a-f]{12}", image)
    sources, folder = tmp_path / "sources", tmp_path / "compose"
    folder.mkdir()
    shutil.copytree(ROOT / "locustfiles", sources / "locustfiles")
    (sources / "locustfiles/requirements.txt").write_text("websocket-client==1.8.0\n")
    # The tasks that write the files of Locust.
    (write,) = (part for part in yaml.safe_load((ROOT / "playbooks/compose.yml").read_text()) if "tasks" in part)
    wanted = ("Read how many files a process may open here", "Write the services of Locust")
    write["tasks"] = [task for task in write["tasks"] if task["name"] in wanted]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([write]))
    known = {"compose_directory": str(folder), "compose_sources": str(sources)}
    done = play(tmp_path / "play.yml", ROOT / "inventory/lab", "-e", json.dumps(known))
    assert done.returncode == 0, done.stdout + done.stderr
    after = yaml.safe_load((folder / "locust.yml").read_text())["services"]["worker"]["image"]
    assert re.fullmatch(r"swarmsweep/locust:[0-9a-f]{12}", after)
    assert after != image
    assert (folder / "locust/packages.txt").read_text() == "websocket-client==1.8.0\n"
