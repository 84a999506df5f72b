#!/bin/sh
# Starts Redis. The password goes from its secret file to the server's standard input: it stands in no command line, no
# environment and no file.
set -eu

secret=/run/secrets/redis_password
password=$(cat "$secret")
case $password in
    '' | *[!A-Za-z0-9_]*) echo "redis-entrypoint: $secret: allowed are letters, digits and _" >&2; exit 64 ;;
esac
# One user, who reads and writes keys: not one who could change the server, empty it or run scripts in it.
exec redis-server /usr/local/etc/redis.conf - <<END
user default on >$password ~* &* +@all -@admin -@dangerous -@scripting
END
