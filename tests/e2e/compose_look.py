"""Orders a load in Locust's page, waits until every replica has served a part of it, and prints what it saw as JSON.

Runs on the host of the containers: python3 compose_look.py PROJECT PORT WORKERS FAR_ADDRESS
PROJECT is that of Docker Compose, PORT that of HAProxy. FAR_ADDRESS is another computer, which has SSH.
"""

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

PROJECT, PORT, WORKERS, FAR_ADDRESS = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
API, PAGE = f"http://127.0.0.1:{PORT}", "http://127.0.0.1:8010"
OURS = f"label=com.docker.compose.project={PROJECT}"
# Nine processes of Locust and the replicas start on one core. This takes some 20 s, and longer on a busy computer.
END = time.monotonic() + 240
# Words of the API's log for a request from here, and for one of Locust.
BY_HAND, BY_LOCUST = "GET /predict?by=hand HTTP", "GET /predict HTTP"
LIMITS = "[{{.HostConfig.NanoCpus}}, {{.HostConfig.Memory}}]"
# Prints whether a container can connect to the other computer.
CONNECT = f"""
import socket
try:
    socket.create_connection(({FAR_ADDRESS!r}, 22), 5)
    print("reached")
except OSError:
    print("not reached")
"""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"docker {' '.join(words)}: {done.stdout}")
    return done.stdout


def containers(service: str) -> list[str]:
    return docker("ps", "-q", "--filter", OURS, "--filter", f"label=com.docker.compose.service={service}").split()


def ask(url: str, **form: object) -> str:
    """The text of a response. Empty: there is no response, or it is an error."""
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(url, data=data, timeout=30) as response:
            return response.read().decode()
    except OSError:
        return ""


def wait_for(condition) -> None:
    while not condition() and time.monotonic() < END:
        time.sleep(0.5)


def served(words: str) -> list[int]:
    """The number of such requests in the log of each replica."""
    return [docker("logs", replica).count(words) for replica in replicas]


def all_replicas_answer() -> bool:
    for _ in replicas:
        ask(f"{API}/predict?by=hand")
    return all(served(BY_HAND))


def read_page() -> bool:
    """Read the page's figures, and return whether there are some."""
    text = ask(f"{PAGE}/stats/requests")
    if text:
        stats = json.loads(text)
        total = stats["stats"][-1]
        page["users"] = sorted(worker["user_count"] for worker in stats["workers"])
        page["requests"], page["failures"] = total["num_requests"], total["num_failures"]
    return bool(text)


def load_runs() -> bool:
    return read_page() and page["users"] == [1] * WORKERS and page["requests"] > 0 and all(served(BY_LOCUST))


replicas, workers, page = containers("api"), containers("worker"), {}
wait_for(all_replicas_answer)
wait_for(lambda: read_page() and len(page["users"]) == WORKERS)
page["title"] = "<title>Locust</title>" in ask(PAGE)
# One user for each worker. HAProxy is the page's own target.
page["ordered"] = ask(f"{PAGE}/swarm", user_count=WORKERS, spawn_rate=WORKERS)
wait_for(load_runs)
print(
    json.dumps(
        page
        | {
            "by_hand": served(BY_HAND),
            "by_locust": served(BY_LOCUST),
            "limits": [json.loads(docker("inspect", "--format", LIMITS, replica)) for replica in replicas],
            "secret": docker("exec", replicas[0], "cat", "/run/secrets/API_TOKEN"),
            "far_computer": {
                "a replica": docker("exec", replicas[0], "python", "-c", CONNECT).strip(),
                "a worker": docker("exec", workers[0], "/opt/locust/venv/bin/python", "-c", CONNECT).strip(),
            },
            "listening": docker("ps", "--filter", OURS, "--format", "{{.Ports}}"),
        }
    )
)
