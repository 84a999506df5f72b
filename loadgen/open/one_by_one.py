"""One user of an open-loop scenario who waits for each response: `./lab check` sends about ten requests that way.

The client is one of Locust's, so the recorder of closed loads sees each request as one of any other scenario.
"""

import random
from typing import Any

from locust.contrib.fasthttp import FastHttpSession

from loadgen.open.lean_http import encode, resolve


class OneByOne:
    """Sends the requests of an `OpenLoopUser`, and judges the responses as a search does.

    Raises:
        ValueError: a request that a search would refuse too.
    """

    def __init__(self, user: Any) -> None:
        self._user = user
        url = user.host or user.environment.host or ""
        target = resolve(url)
        for body in user.payloads:
            encode(target, user.method, user.path, self._headers(body), body)
        self._client = FastHttpSession(base_url=url, request_event=user.environment.events.request, user=user)

    def send(self) -> None:
        """Send one request, and wait for its response."""
        user = self._user
        body = random.choice(user.payloads)
        # A search requests no compression, and follows no redirect.
        headers = {"Accept-Encoding": "identity"} | self._headers(body)
        with self._client.request(
            user.method,
            user.path,
            name=user.name or user.path,
            data=body,
            headers=headers,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            # Without a response, the client knows why.
            if response.status_code:
                found = {name.encode("latin-1"): value.encode("latin-1") for name, value in response.headers.items()}
                reason = user.check(response.status_code, found, response.content or b"")
                if reason is None:
                    response.success()
                else:
                    response.failure(reason)

    def _headers(self, body: bytes | None) -> dict[str, str]:
        return dict(self._user.headers) if body is not None else {}
