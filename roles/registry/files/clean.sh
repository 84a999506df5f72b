#!/bin/sh
# Runs in the container of the registry. Standard input has the names that stay, REPOSITORY:TAG, one a line. All other tags are removed, then
# the blobs that no tag needs. It prints the names that it removed.
set -eu

kept=$(cat)
repositories=/var/lib/registry/docker/registry/v2/repositories
[ -d "$repositories" ] || exit 0
find "$repositories" -path '*/_manifests/tags/*' -prune -type d > /tmp/tags
removed=
while read -r tag; do
    name=${tag#"$repositories"/}
    name=${name%/_manifests/tags/*}:${tag##*/}
    if printf '%s\n' "$kept" | grep -qxF -- "$name"; then continue; fi
    rm -rf -- "$tag"
    removed=yes
    echo "removed $name"
done < /tmp/tags
rm /tmp/tags
[ -z "$removed" ] || docker-registry garbage-collect --delete-untagged /usr/local/etc/registry.yml > /dev/null
