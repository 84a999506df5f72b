"""Load scenario: one row a request to POST /predict, from users without think time.

Self-contained: it is copied to the load hosts unchanged. The other scenarios import their rows and users from here.
``load.wait_seconds`` of a sweep file replaces ``wait_time``.

SWEEP_SAME_ANSWERS   1: the same request must get the same response. The lab sets it where it loads its own image.
"""

import json
import os
import random

from locust import FastHttpUser, constant, task

# Enough different rows that no cache on the way can help. Few enough that they stay in memory.
ROWS = 512
SEED = 20260101
HEADERS = {"Content-Type": "application/json"}

WILDERNESS_AREAS = ("Rawah", "Neota", "Comanche Peak", "Cache la Poudre")
SOIL_TYPES = (
    *("C2702", "C2703", "C2704", "C2705", "C2706", "C2717", "C3501", "C3502", "C4201", "C4703"),
    *("C4704", "C4744", "C4758", "C5101", "C5151", "C6101", "C6102", "C6731", "C7101", "C7102"),
    *("C7103", "C7201", "C7202", "C7700", "C7701", "C7702", "C7709", "C7710", "C7745", "C7746"),
    *("C7755", "C7756", "C7757", "C7790", "C8703", "C8707", "C8708", "C8771", "C8772", "C8776"),
)


def make_row(rng: random.Random) -> dict[str, int | str]:
    """Return a row within the ranges of Covertype. The soil type follows the elevation, as in the real data."""
    elevation = round(min(max(rng.gauss(2960, 280), 1859), 3858))
    water = round(min(rng.expovariate(1 / 270), 1397))
    soil = round(min(max(rng.gauss((elevation - 1859) / 2000 * 39, 4), 0), 39))
    return {
        "Elevation": elevation,
        "Aspect": rng.randint(0, 360),
        "Slope": round(min(rng.gammavariate(3.5, 4.0), 66)),
        "Horizontal_Distance_To_Hydrology": water,
        "Vertical_Distance_To_Hydrology": round(min(max(water * rng.gauss(0.17, 0.15), -173), 601)),
        "Horizontal_Distance_To_Roadways": round(min(rng.gammavariate(2.2, 1070), 7117)),
        "Hillshade_9am": round(min(max(rng.gauss(212, 27), 0), 254)),
        "Hillshade_Noon": round(min(max(rng.gauss(223, 20), 0), 254)),
        "Hillshade_3pm": round(min(max(rng.gauss(142, 38), 0), 254)),
        "Horizontal_Distance_To_Fire_Points": round(min(rng.gammavariate(2.2, 900), 7173)),
        "Wilderness_Area": rng.choices(WILDERNESS_AREAS, weights=(45, 5, 43, 7))[0],
        "Soil_Type": SOIL_TYPES[soil],
    }


def make_payloads(count: int, seed: int) -> list[bytes]:
    """Return bodies that are encoded before the load, so that a request costs the generator as little as possible."""
    rng = random.Random(seed)
    return [json.dumps({"rows": [make_row(rng)]}, separators=(",", ":")).encode() for _ in range(count)]


PAYLOADS = make_payloads(ROWS, SEED)
# Whether the same request must get the same response from each replica, under any load. Otherwise, an API that mixes
# up requests under load would count as fast. An API of another image may return a time or an id in each response.
SAME_ANSWERS = os.environ.get("SWEEP_SAME_ANSWERS") == "1"
# The first response to each path and body.
KNOWN: dict[tuple[str, bytes | None], bytes] = {}


class DifferentResponseError(Exception):
    """The response differs from an earlier one to the same request.

    The recorder reads ``failure_kind``. Any such response makes the attempt invalid, so raise it for nothing else.
    """

    failure_kind = "different_response"


class ApiUser(FastHttpUser):
    """Shared by the scenarios of this API: one kept connection, think time, timeouts, a check of each response."""

    abstract = True
    same_answers = SAME_ANSWERS
    wait_time = constant(0)
    # An overloaded server must not keep an attempt busy for longer than this.
    connection_timeout = 10.0
    network_timeout = 10.0

    def send(self, method: str, path: str, expected: bytes, body: bytes | None = None) -> None:
        """Send one request, and check the response.

        It fails on a status other than 200, and on a body without ``expected``.
        With ``same_answers``, it also fails when the same path and body had another response before.
        """
        with self.client.request(
            method, path, data=body, headers=HEADERS if body else None, name=path, catch_response=True
        ) as response:
            content = response.content or b""
            # Status 0 is a connection error. Locust has already recorded its message.
            if response.status_code == 0:
                return
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif expected not in content:
                response.failure(f"no {expected.decode()} in the response")
            elif self.same_answers and KNOWN.setdefault((path, body), content) != content:
                response.failure(DifferentResponseError("the response differs from an earlier one to the same request"))


class PredictUser(ApiUser):
    """Posts a random row and expects a prediction."""

    @task
    def predict(self) -> None:
        self.send("POST", "/predict", b'"predictions"', random.choice(PAYLOADS))
