#!/bin/sh
# Entry point of the MLflow image. `server` starts the MLflow server on PostgreSQL; anything else is run as it is.
#
# The password comes from POSTGRES_PASSWORD_FILE (a secret) and goes to libpq through a passfile that only this user can
# read, so that it stands neither in a command line, nor in the environment, nor in the URI that MLflow may log.
set -eu

if [ "${1:-server}" != server ]; then
    exec "$@"
fi
shift $(($# > 0))

fail() {
    echo "mlflow-entrypoint: $*" >&2
    exit 64
}

secret=${POSTGRES_PASSWORD_FILE:-/run/secrets/postgres_password}
[ -r "$secret" ] || fail "cannot read $secret (POSTGRES_PASSWORD_FILE): mount the secret with the PostgreSQL password there"

directory=/tmp
if [ -w /dev/shm ]; then directory=/dev/shm; fi
umask 077
PGPASSFILE=$(mktemp "$directory/pgpass.XXXXXX")
export PGPASSFILE
# In a passfile ':' separates and '\' escapes.
printf '*:*:*:*:%s\n' "$(sed -e 's/[\\:]/\\&/g' "$secret")" >"$PGPASSFILE"

exec python -m covertype_api.mlflow_server "$@"
