"""Where the names and the order of a model's columns come from."""

import asyncio
import json
from typing import Any, Protocol

from covertype_api.errors import DependencyError
from covertype_api.settings import Settings

QUERY = "SELECT name FROM feature_columns ORDER BY position"
# A dependency on the same network responds within milliseconds, or not at all.
TIMEOUT_SECONDS = 5.0
# A cache must be faster than what it caches.
REDIS_TIMEOUT_SECONDS = 2.0
REDIS_KEY = "covertype:feature_columns"
# A changed table reaches every replica within a minute.
REDIS_EXPIRY_SECONDS = 60

Columns = tuple[str, ...]


class ColumnsSource(Protocol):
    """Knows the names of a model's columns, in order. ``name`` is the dependency that is queried."""

    name: str

    async def fetch(self) -> Columns:
        """Raises ``DependencyError``."""
        ...

    async def close(self) -> None: ...


def connection_settings(settings: Settings, database: str) -> dict[str, Any]:
    """Keyword arguments of a PostgreSQL client, which calls the database ``database``. Raises OSError."""
    return {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        database: settings.postgres_db,
        "user": settings.postgres_user,
        "password": settings.postgres_password(),
    }


def _checked(names: list[str]) -> Columns:
    if not names:
        raise LookupError("table feature_columns is empty: run `python -m covertype_api.columns`")
    return tuple(names)


class PostgresColumns:
    """Queries PostgreSQL over a connection that is open for one query. For a service that queries once."""

    name = "postgres"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def fetch(self) -> Columns:
        # Only needed now, and a third of the import time of the whole service.
        import asyncpg

        try:
            connection = await asyncpg.connect(
                **connection_settings(self._settings, "database"),
                timeout=TIMEOUT_SECONDS,
                command_timeout=TIMEOUT_SECONDS,
                statement_cache_size=0,
            )
            try:
                records = await connection.fetch(QUERY)
            finally:
                await connection.close(timeout=TIMEOUT_SECONDS)
            return _checked([record["name"] for record in records])
        except (OSError, LookupError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _lost_postgres(self._settings, error) from error

    async def close(self) -> None:
        """Nothing is kept."""


class PooledPostgresColumns:
    """Queries PostgreSQL each time, without blocking, over connections that stay open."""

    name = "postgres"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: Any = None
        self._making = asyncio.Lock()

    async def fetch(self) -> Columns:
        import asyncpg

        try:
            pool = self._pool or await self._make_pool()
            async with pool.acquire(timeout=TIMEOUT_SECONDS) as connection:
                records = await connection.fetch(QUERY)
            return _checked([record["name"] for record in records])
        except (OSError, LookupError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _lost_postgres(self._settings, error) from error

    async def _make_pool(self) -> Any:
        import asyncpg

        async with self._making:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    **connection_settings(self._settings, "database"),
                    # None is kept ready: asyncpg logs a trace for each that a server closes.
                    min_size=0,
                    # A query takes a millisecond: four connections serve thousands of requests a second.
                    max_size=4,
                    timeout=TIMEOUT_SECONDS,
                    command_timeout=TIMEOUT_SECONDS,
                )
            return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()


class BlockingPostgresColumns:
    """Connects to PostgreSQL for each query, on a thread that waits meanwhile."""

    name = "postgres"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def fetch(self) -> Columns:
        return await asyncio.to_thread(self._fetch)

    def _fetch(self) -> Columns:
        import psycopg2

        try:
            connection = psycopg2.connect(
                **connection_settings(self._settings, "dbname"), connect_timeout=round(TIMEOUT_SECONDS)
            )
            try:
                with connection.cursor() as cursor:
                    cursor.execute(QUERY)
                    return _checked([name for (name,) in cursor.fetchall()])
            finally:
                connection.close()
        except (OSError, LookupError, psycopg2.Error) as error:
            raise _lost_postgres(self._settings, error) from error

    async def close(self) -> None:
        """Nothing is kept."""


class RedisColumns:
    """Queries Redis over open connections; what Redis lacks is fetched from ``origin`` and stored in Redis."""

    name = "redis"

    def __init__(self, settings: Settings, origin: ColumnsSource) -> None:
        self._settings, self._origin = settings, origin
        self._client: Any = None

    async def fetch(self) -> Columns:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        try:
            if self._client is None:
                self._client = redis.asyncio.Redis(
                    host=self._settings.redis_host,
                    port=self._settings.redis_port,
                    password=self._settings.redis_password(),
                    socket_timeout=REDIS_TIMEOUT_SECONDS,
                    socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
                    # Once more at once, for a kept connection that has died.
                    retry=Retry(NoBackoff(), 1),
                    max_connections=64,
                )
            text = await self._client.get(REDIS_KEY)
            if text is not None:
                return tuple(json.loads(text))
            columns = await self._origin.fetch()
            await self._client.set(REDIS_KEY, json.dumps(columns), ex=REDIS_EXPIRY_SECONDS)
            return columns
        except (OSError, RedisError, ValueError) as error:
            # The next attempt reads the password anew: it may have been mounted late.
            await self.close()
            where = f"{self._settings.redis_host}:{self._settings.redis_port}"
            raise DependencyError(self.name, f"{where}: {_reason(error)}") from error

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _lost_postgres(settings: Settings, error: Exception) -> DependencyError:
    where = f"{settings.postgres_host}:{settings.postgres_port}"
    return DependencyError(PostgresColumns.name, f"{where}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().rstrip(":")
