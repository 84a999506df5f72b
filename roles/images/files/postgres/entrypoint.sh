#!/bin/sh
# Makes the cluster at the first start, then runs PostgreSQL. Passwords go from secret files to the server's standard input.
set -eu

statements() {
    for secret in /run/secrets/postgres_*_password; do
        name=${secret#/run/secrets/postgres_}
        name=${name%_password}
        password=$(cat "$secret")
        case $name$password in
            *[!A-Za-z0-9_]*) echo "postgres-entrypoint: $secret: allowed are letters, digits and _" >&2; exit 64 ;;
        esac
        echo "CREATE ROLE $name LOGIN PASSWORD '$password';"
        echo "CREATE DATABASE $name OWNER $name;"
    done
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Beside its final place first: a start that was cut off must not look like a finished one.
    rm -rf "$PGDATA.new"
    initdb --pgdata "$PGDATA.new" --encoding UTF8 --locale C.UTF-8 --auth-local peer --auth-host scram-sha-256 > /dev/null
    echo 'host all all all scram-sha-256' >> "$PGDATA.new/pg_hba.conf"
    statements | postgres --single -D "$PGDATA.new" postgres > /dev/null
    mv "$PGDATA.new" "$PGDATA"
fi
# The socket lies in /tmp because /run is read-only; 200 connections: every API worker of a large cell holds one while starting.
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=200
