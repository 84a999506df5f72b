#!/bin/bash
# Removes a lab's bridge and the iptables rules that carry its comment. Prints "removed" when there was something.
#   network-absent.sh BRIDGE COMMENT
set -euo pipefail
bridge=$1 comment=$2

# Where iptables was never installed there are no rules of ours.
if command -v iptables > /dev/null; then
  for table in nat filter; do
    rules=$(iptables -t "$table" -S)
    { grep -F -e "--comment \"$comment\"" -e "--comment $comment " <<< "$rules" || true; } | while read -r rule; do
      # `-S` prints the rule as it was added; deleting it is the same line with -D.
      xargs iptables -t "$table" <<< "${rule/#-A/-D}"
      echo removed
    done
  done
fi
if [[ -e /sys/class/net/$bridge/bridge ]]; then
  ip link delete "$bridge" type bridge
  echo removed
fi
