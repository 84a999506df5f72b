"""Where the names and the order of a model's columns come from."""

from covertype_api.settings import Settings

QUERY = "SELECT name FROM feature_columns ORDER BY position"


class PostgresColumns:
    """Reads the table ``feature_columns(position, name)`` once over a connection of its own."""

    name = "postgres"

    def __init__(self, settings: Settings, timeout_seconds: float = 5.0) -> None:
        self._settings = settings
        self._timeout_seconds = timeout_seconds

    async def fetch(self) -> tuple[str, ...]:
        """Column names in order.

        Raises:
            OSError: the server or the password file cannot be reached.
            asyncpg.PostgresError: the server refuses.
            LookupError: the table is empty.
        """
        # Only needed now, and a third of the import time of the whole service.
        import asyncpg

        settings = self._settings
        password = settings.postgres_password()
        connection = await asyncpg.connect(
            host=settings.postgres_host,
            port=settings.postgres_port,
            database=settings.postgres_db,
            user=settings.postgres_user,
            password=password,
            timeout=self._timeout_seconds,
            command_timeout=self._timeout_seconds,
            statement_cache_size=0,
        )
        try:
            records = await connection.fetch(QUERY)
        finally:
            await connection.close(timeout=self._timeout_seconds)
        if not records:
            raise LookupError("table feature_columns is empty: run `python -m covertype_api.columns`")
        return tuple(record["name"] for record in records)
