"""Locust's page starts loads of the lab's own address alone, and takes orders only from the page itself.

The field Host of the page would aim a load at any address. The workers send nothing there (see closed/boundary.py), but
a load without a response would look like a broken API. So the page refuses another address, and shows why.

Any page that the person has open in the browser could send requests to the page, because Locust allows all origins and
has no login. So requests of other pages are refused, and so are those to another name than that of the loopback
address, which a name server of others could resolve to it.
"""

from typing import Any
from urllib.parse import urlsplit

from flask import Response, jsonify, make_response, request

# How a browser names the loopback address, at the end of an SSH tunnel too. The tunnel may begin at another port.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# What the page sends to start a load, and to change a class of users.
START, CHANGE = "/swarm", "/user"


def fix_host(environment: Any, web_ui: Any) -> None:
    """Let the page start loads of --host alone. Call it before the page is served.

    Raises:
        ValueError: Locust was started without --host.
    """
    if not environment.host:
        raise ValueError("the address of the lab is not known: start Locust with --host")
    target = environment.host
    # As Locust does at the start of a load. The page then shows this address for a class with one of its own.
    for user_class in environment.available_user_classes.values():
        user_class.host = target

    @web_ui.app.before_request
    def refuse() -> Response | None:
        if reason := _why_foreign():
            return make_response(f"{reason}\n", 403)
        wanted = _wanted_host()
        # Another spelling would change the paths of requests: a slash at its end comes before each of them.
        if wanted is None or wanted == target:
            return None
        text = f"The load may not leave the lab: Host is {wanted[:100]!r}; allowed: {target}"
        if request.path == START:
            # The form shows the message of such a response.
            return jsonify({"success": False, "message": text, "host": target})
        return make_response(f"{text}\n", 400)

    @web_ui.app.after_request
    def keep_out_of_frames(response: Response) -> Response:
        # Another page could show this one, invisible, over its own buttons. A click would then start a load.
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response


def _why_foreign() -> str | None:
    """Why a request does not come from the page itself; None if it does."""
    if _name_of(request.host) not in LOOPBACK:
        return "This page is open on the loopback address alone. Open http://127.0.0.1 with the port of your tunnel"
    sender = request.headers.get("Origin")
    if sender is not None and urlsplit(sender).netloc != request.host:
        return "Only the page itself may control the load"
    return None


def _name_of(netloc: str) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None


def _wanted_host() -> str | None:
    """The address that a request would aim the load at; None if it names none."""
    if request.method != "POST":
        return None
    if request.path == START:
        return request.form.get("host")
    if request.path == CHANGE:
        settings = request.get_json(force=True, silent=True)
        wanted = settings.get("host") if isinstance(settings, dict) else None
        return None if wanted is None else str(wanted)
    return None
