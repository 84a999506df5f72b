#!/bin/sh
# Starts the registry. htpasswd reads the password from its secret file: it stands in no command line and no environment.
set -eu

umask 077
htpasswd -niB swarmsweep < /run/secrets/registry_password > /tmp/htpasswd
exec docker-registry serve /usr/local/etc/registry.yml
