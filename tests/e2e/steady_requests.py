"""One-row predictions at a steady rate, on a new and on a kept connection in turn, until standard input closes.

Runs on the load machine: python3 steady_requests.py HOST PORT REQUESTS_PER_SECOND MAX_SECONDS
Prints one line of JSON: requests, failures (a text each), versions of the model in the order of their first answer,
replicas that answered, longest_ms.
"""

import http.client
import json
import select
import sys
import time

BODY = json.dumps(
    {
        "rows": [
            {
                "Elevation": 2596,
                "Aspect": 51,
                "Slope": 3,
                "Horizontal_Distance_To_Hydrology": 258,
                "Vertical_Distance_To_Hydrology": 0,
                "Horizontal_Distance_To_Roadways": 510,
                "Hillshade_9am": 221,
                "Hillshade_Noon": 232,
                "Hillshade_3pm": 148,
                "Horizontal_Distance_To_Fire_Points": 6279,
                "Wilderness_Area": "Rawah",
                "Soil_Type": "C7745",
            }
        ]
    }
)
# Longer than HAProxy looks for a replica: what is slow is no failure here, what gets no answer is.
TIMEOUT_SECONDS = 30


def predict(connection: http.client.HTTPConnection) -> tuple[str, str]:
    """(version of the model, replica). Raises OSError, HTTPException or ValueError for anything but a prediction."""
    connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {text[:300]}")
    return json.loads(text)["model_version"], answer.headers["X-Served-By"].partition("/")[0]


def main() -> None:
    host, port, rate, most_seconds = sys.argv[1], *map(float, sys.argv[2:])
    kept = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_SECONDS)
    began, requests, failures, versions, replicas, longest = time.monotonic(), 0, [], {}, {}, 0.0
    while time.monotonic() - began < most_seconds:
        fresh = requests % 2 == 0
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_SECONDS) if fresh else kept
        asked = time.monotonic()
        try:
            version, replica = predict(connection)
            versions[version] = replicas[replica] = True
        except (OSError, ValueError, http.client.HTTPException) as error:
            kind = "new" if fresh else "kept"
            failures.append(f"{asked - began:.2f} s, {kind} connection: {type(error).__name__}: {error}")
            connection.close()
        if fresh:
            connection.close()
        requests += 1
        longest = max(longest, time.monotonic() - asked)
        pause = max(0.0, began + requests / rate - time.monotonic())
        if select.select([sys.stdin], [], [], pause)[0]:
            break
    found = {"failures": failures[:20], "versions": list(versions), "replicas": list(replicas)}
    print(json.dumps({"requests": requests, "longest_ms": round(longest * 1000), "failed": len(failures), **found}))


if __name__ == "__main__":
    main()
