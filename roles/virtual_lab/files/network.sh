#!/bin/bash
# The bridge of a lab. Its mark, swarmsweep:<lab>, is the bridge's alias and the comment of the lab's iptables rules.
# Nothing without that mark is changed or removed. Used by the virtual_lab role.
#   network.sh check BRIDGE MARK ADDRESS   reads only; prints "absent", "ours", "earlier", or "foreign REASON"
#   network.sh up BRIDGE MARK ADDRESS      makes and marks it; prints "changed" or "unchanged"
#   network.sh down BRIDGE MARK ADDRESS    removes bridges and rules of this mark; prints "removed ..." and "left ..."
#   network.sh forward STATE               lets this machine forward, and notes that this was our doing
#   network.sh unforward STATE             takes that back when no other lab needs it; prints "removed ..." or "left ..."
# ADDRESS is that of the bridge with its prefix length, as 198.18.0.1/24. STATE is the folder with a folder for each lab.
set -euo pipefail

mark_of() { cat "/sys/class/net/$1/ifalias" 2> /dev/null || true; }

addresses_of() { ip -o -4 address show dev "$1" | awk '{print $4}' | xargs; }

# Names of the interfaces on a bridge.
members_of() { find "/sys/class/net/$1/brif" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs; }

# Rules are passed by a here-string: `grep -q` behind a pipe ends the writer with SIGPIPE, and pipefail makes that "not found".
has_rules() { # BRIDGE MARK
  command -v iptables > /dev/null || return 1
  grep -qE -- "^-A FORWARD -i ${1//./\\.} -m comment --comment \"?$2\"? -j ACCEPT\$" <<< "$(iptables -S FORWARD)"
}

# Labs of earlier versions set no mark. Such a bridge belongs to the lab if three conditions hold: the lab's rules name it, the lab's
# address is its only one, and all its members are machines of systemd-nspawn (vb-*). Any other bridge has an address or
# a member of its own.
made_by_earlier_version() { # BRIDGE MARK ADDRESS
  local member
  [[ -z $(mark_of "$1") && -d /sys/class/net/$1/bridge && $(addresses_of "$1") == "$3" ]] || return 1
  for member in $(members_of "$1"); do
    [[ $member == vb-* ]] || return 1
  done
  has_rules "$1" "$2"
}

marked_bridges() { # MARK
  local path
  for path in /sys/class/net/*/bridge; do
    path=${path%/bridge}
    if [[ $(mark_of "${path##*/}") == "$1" ]]; then echo "${path##*/}"; fi
  done
}

check() { # BRIDGE MARK ADDRESS
  local other
  for other in $(marked_bridges "$2"); do
    if [[ $other != "$1" ]]; then echo "foreign this lab has the bridge $other already (./lab down removes it)"; return; fi
  done
  other=$(ip -o -4 address show | awk -v bridge="$1" -v address="${3%/*}/" '$2 != bridge && index($4, address) == 1 {print $2; exit}')
  if [[ -n $other ]]; then echo "foreign the interface $other has the address ${3%/*} already"; return; fi
  if [[ ! -e /sys/class/net/$1 ]]; then echo absent; return; fi
  if [[ ! -d /sys/class/net/$1/bridge ]]; then echo "foreign the interface $1 is not a bridge"; return; fi
  if [[ $(mark_of "$1") == "$2" ]]; then echo ours; return; fi
  if made_by_earlier_version "$@"; then echo earlier; return; fi
  local mark addresses members
  mark=$(mark_of "$1") addresses=$(addresses_of "$1") members=$(members_of "$1")
  echo "foreign the bridge $1 is not this lab's (alias: ${mark:-none}, addresses: ${addresses:-none}, members:" \
    "${members:-none}; if nothing needs it: ip link delete $1 type bridge)"
}

up() { # BRIDGE MARK ADDRESS
  local found result=unchanged
  found=$(check "$@")
  case $found in
    absent)
      ip link add "$1" type bridge
      # The kernel cannot set the mark when it makes the bridge. An unmarked bridge must not stay, or the next run would refuse it.
      ip link set dev "$1" alias "$2" || { ip link delete "$1" type bridge; exit 1; }
      result=changed
      ;;
    earlier) ip link set dev "$1" alias "$2"; result=changed ;;
    ours) ;;
    *) echo "network.sh: $found" >&2; exit 1 ;;
  esac
  if [[ " $(addresses_of "$1") " != *" $3 "* || $(ip -o link show dev "$1") != *[\<,]UP[,\>]* ]]; then
    ip address replace "$3" dev "$1"
    ip link set "$1" up
    result=changed
  fi
  echo "$result"
}

remove_rules() { # MARK
  local table rules rule
  # Without iptables, there are no rules of the lab.
  command -v iptables > /dev/null || return 0
  for table in nat filter; do
    rules=$(iptables -t "$table" -S)
    { grep -F -e "--comment \"$1\"" -e "--comment $1 " <<< "$rules" || true; } | while read -r rule; do
      # `-S` prints the rule as it was added. The same line with -D deletes it.
      xargs iptables -t "$table" <<< "${rule/#-A/-D}"
      echo "removed the rule ${rule#-A }"
    done
  done
}

down() { # BRIDGE MARK ADDRESS
  local bridges bridge
  # Finds the bridges by mark, whatever their name in the inventory. It looks before the rules are removed, because they are evidence.
  bridges=$(marked_bridges "$2")
  if made_by_earlier_version "$@"; then bridges+=" $1"; fi
  remove_rules "$2"
  for bridge in $bridges; do
    ip link delete "$bridge" type bridge
    echo "removed the bridge $bridge"
  done
  if [[ -e /sys/class/net/$1 ]]; then
    echo "left the interface $1: it does not carry the mark $2, so this lab did not make it." \
      "Look at it with: ip -d link show $1"
  fi
}

forward() { # STATE
  mkdir -p "$1"
  # The note holds for this boot. After the next boot, another program would have enabled forwarding.
  cat /proc/sys/kernel/random/boot_id > "$1/ip_forward_was_off"
  echo 1 > /proc/sys/net/ipv4/ip_forward
}

# Docker, a VPN or libvirt that started later found forwarding on and depend on it. Their rules show it.
forwarded_by_others() {
  grep -qE '^-A|^-P FORWARD DROP' <<< "$(iptables -S FORWARD; iptables -t nat -S POSTROUTING)"
}

unforward() { # STATE
  local was_off=$1/ip_forward_was_off
  # Another lab may still need it.
  if [[ ! -e $was_off || -n $(find "$1" -mindepth 1 -maxdepth 1 -type d) ]]; then return; fi
  if [[ $(< "$was_off") != "$(< /proc/sys/kernel/random/boot_id)" ]]; then
    echo "left IPv4 forwarding as it is: no lab is known to have switched it on since this machine was started"
  elif command -v iptables > /dev/null && forwarded_by_others; then
    echo "left IPv4 forwarding on: other rules in FORWARD or POSTROUTING may need it." \
      "To switch it off: sysctl -w net.ipv4.ip_forward=0"
  else
    echo 0 > /proc/sys/net/ipv4/ip_forward
    echo "removed IPv4 forwarding"
  fi
  rm "$was_off"
}

verb=${1:-}
[[ $# == 0 ]] || shift
case $verb in
  check | up | down) "$verb" "$1" "$2" "$3" ;;
  forward | unforward) "$verb" "$1" ;;
  *) echo "network.sh: unknown verb '$verb'; allowed: check, up, down, forward, unforward" >&2; exit 2 ;;
esac
