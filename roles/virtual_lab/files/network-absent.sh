#!/bin/bash
# Removes a lab's bridge and the iptables rules that carry its comment. Prints "removed" when there was something.
#   network-absent.sh BRIDGE COMMENT
set -euo pipefail
bridge=$1 comment=$2

for table in nat filter; do
  iptables -t "$table" -S | { grep -F -- "--comment \"$comment\"" || grep -F -- "--comment $comment " || true; } | while read -r rule; do
    # `-S` prints the rule as it was added; deleting it is the same line with -D.
    xargs iptables -t "$table" <<< "${rule/#-A/-D}"
    echo removed
  done
done
if [[ -e /sys/class/net/$bridge/bridge ]]; then
  ip link delete "$bridge" type bridge
  echo removed
fi
