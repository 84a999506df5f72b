"""Create and fill the table ``feature_columns`` in PostgreSQL: ``python -m covertype_api.columns``. Safe to repeat."""

import argparse
import json
import sys

from covertype_api.schema import FEATURE_COLUMNS
from covertype_api.settings import Settings, SettingsError

TABLE = "CREATE TABLE IF NOT EXISTS feature_columns (position int PRIMARY KEY, name text NOT NULL UNIQUE)"


def fill(settings: Settings) -> bool:
    """Make the table hold exactly FEATURE_COLUMNS; True when that changed anything.

    Raises:
        OSError: the password file cannot be read.
        psycopg2.Error: the server cannot be reached or refuses.
    """
    import psycopg2
    from psycopg2.extras import execute_values

    connection = psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        dbname=settings.postgres_db,
        user=settings.postgres_user,
        password=settings.postgres_password(),
        connect_timeout=10,
    )
    try:
        # One transaction: a reader sees the old columns or the new ones, never half of them.
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('feature_columns'))")
            cursor.execute(TABLE)
            cursor.execute("SELECT position, name FROM feature_columns ORDER BY position")
            wanted = list(enumerate(FEATURE_COLUMNS, start=1))
            if cursor.fetchall() == wanted:
                return False
            cursor.execute("DELETE FROM feature_columns")
            execute_values(cursor, "INSERT INTO feature_columns (position, name) VALUES %s", wanted)
            return True
    finally:
        connection.close()


def main(arguments: list[str] | None = None) -> None:
    """Print one line of JSON."""
    argparse.ArgumentParser(prog="python -m covertype_api.columns", description=__doc__).parse_args(arguments)
    import psycopg2

    try:
        changed = fill(Settings.from_env())
    except (SettingsError, OSError, psycopg2.Error) as error:
        sys.exit(f"covertype_api.columns: {error}")
    print(json.dumps({"columns": len(FEATURE_COLUMNS), "changed": changed}))


if __name__ == "__main__":
    main()
