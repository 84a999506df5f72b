"""HTTP to the MLflow server: one connection for each call, or open connections for a service with many calls."""

import asyncio
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

TIMEOUT_SECONDS = 10.0


class TransportError(OSError):
    """No response; the message says why."""


class Transport(Protocol):
    """Gets a URL."""

    async def get(self, url: str) -> tuple[int, bytes]:
        """Status and body of the response. Raises ``TransportError``."""
        ...

    async def close(self) -> None: ...


class PlainTransport:
    """Needs only Python's own library, on a thread of its own: light, and not fast."""

    def __init__(self) -> None:
        # The registry is a dependency: proxy settings meant for the outside must not catch it.
        self._open = build_opener(ProxyHandler({})).open

    async def get(self, url: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(self.get_blocking, url)

    def get_blocking(self, url: str) -> tuple[int, bytes]:
        """The same on the calling thread."""
        try:
            with self._open(url, timeout=TIMEOUT_SECONDS) as response:
                return response.status, response.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()
        except (URLError, OSError) as error:
            raise TransportError(str(getattr(error, "reason", None) or error)) from None

    async def close(self) -> None:
        """Nothing is kept."""


class PooledTransport:
    """Asynchronous, over connections that are kept."""

    def __init__(self) -> None:
        self._client: Any = None

    async def get(self, url: str) -> tuple[int, bytes]:
        import httpx

        if self._client is None:
            limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False)
        try:
            response = await self._client.get(url)
        except httpx.HTTPError as error:
            raise TransportError(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        return response.status_code, response.content

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
