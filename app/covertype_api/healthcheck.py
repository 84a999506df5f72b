"""Exit with 0 when this replica is ready, else with 1 and the reason: ``python -m covertype_api.healthcheck``."""

import http.client
import os
import sys

TIMEOUT_SECONDS = 5.0


def main() -> None:
    """Request the ready state from the server of this container."""
    port = os.environ.get("PORT") or "8000"
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"not ready: {response.read(2000).decode('utf-8', 'replace')}")
    except OSError as error:
        sys.exit(f"port {port} does not respond: {error}")
    finally:
        connection.close()


if __name__ == "__main__":
    main()
