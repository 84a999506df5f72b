#!/bin/bash
# Starts or stops one virtual machine (systemd-nspawn). Used by the virtual_lab role.
#   machine.sh start NAME STATE_DIRECTORY BRIDGE CORES MEMORY_BYTES
#   machine.sh stop NAME STATE_DIRECTORY
# Prints "started", "stopped" or "unchanged".
set -euo pipefail

verb=$1 name=$2 state=$3
tree=$state/$name pid_file=$state/$name.pid log=$state/$name.log
# Two labs may have hosts of the same name, so the machine's name on this computer contains the lab's.
lab=$(basename "$state")
full=$name
[[ $name == "$lab"-* ]] || full=$lab-$name
cgroup=swarmsweep-$full unit=swarmsweep-$full.service

controller_has_systemd() { [[ $(cat /proc/1/comm) == systemd ]]; }

# All cgroup trees, also those without a controller. There, systemd-nspawn puts the units of the machine below the cgroup that it
# was started in. Units with the same name, of two machines in the same cgroup, would share a cgroup.
cgroup_mounts() { awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts; }

write_if_there() { if [[ -e $2 ]]; then echo "$1" > "$2"; fi; }

enter_cgroups() { # CORES MEMORY_BYTES; moves the calling shell
  local mount group controller limited=
  for mount in $(cgroup_mounts); do
    group=$mount/$cgroup
    # cgroup v2 enables a controller in child groups only on request. A missing controller must not prevent the others.
    for controller in cpu cpuset memory pids io; do
      write_if_there "+$controller" "$mount/cgroup.subtree_control" 2> /dev/null || true
    done
    mkdir -p "$group"
    if [[ -e $group/cpuset.cpus ]]; then limited+=c; fi
    if [[ -e $group/memory.max || -e $group/memory.limit_in_bytes ]]; then limited+=m; fi
    write_if_there "$1" "$group/cpuset.cpus"
    # cgroup v1 accepts no process until the memory nodes are set. cgroup v2 inherits them.
    if [[ -e $mount/cpuset.mems ]]; then cat "$mount/cpuset.mems" > "$group/cpuset.mems"; fi
    write_if_there "$2" "$group/memory.limit_in_bytes"
    write_if_there "$2" "$group/memory.max"
    echo $BASHPID > "$group/cgroup.procs"
  done
  if [[ $limited != *c* || $limited != *m* ]]; then
    echo "machine.sh: this kernel offers no cpuset or no memory cgroup, so the machines could not have cores of their own" >&2
    exit 1
  fi
}

is_ours() { # PID: true when it is the systemd-nspawn of this machine, not a later process with the same number
  tr '\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -q -- "systemd-nspawn.* -D $tree "
}

running_pid() {
  if controller_has_systemd; then
    local pid; pid=$(systemctl show -p MainPID --value "$unit" 2>/dev/null || echo 0)
    if [[ $pid != 0 ]]; then echo "$pid"; fi
  elif [[ -e $pid_file ]] && is_ours "$(cat "$pid_file")"; then
    cat "$pid_file"
  fi
}

# cgroup v2: systemd-nspawn puts the machine into a cgroup below the limited one, and a machine sees only the limit of its own cgroup.
# Without this, the preflight and the sampler inside would count all memory of this computer.
show_memory_limit() { # MEMORY_BYTES
  local root parent
  root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
  if [[ -z $root ]] || ! grep -qw memory "$root/cgroup.controllers"; then return; fi
  parent=$root/$cgroup
  if controller_has_systemd; then parent=$root$(systemctl show -p ControlGroup --value "$unit"); fi
  for _ in {1..100}; do
    if [[ -e $parent/payload/memory.max ]]; then echo "$1" > "$parent/payload/memory.max"; return; fi
    sleep 0.1
  done
}

start() { # BRIDGE CORES MEMORY_BYTES
  if [[ -n $(running_pid) ]]; then echo unchanged; return; fi
  local nspawn=(systemd-nspawn -D "$tree" -M "$full" --boot --register=no --keep-unit --network-bridge="$1" --capability=all
    --resolv-conf=off --system-call-filter='add_key keyctl bpf')
  if controller_has_systemd; then
    systemd-run --quiet --collect --unit="$unit" -p Delegate=yes -p KillMode=mixed -p TasksMax=infinity -p LimitNOFILE=1048576 \
      -p AllowedCPUs="$2" -p MemoryMax="$3" -p StandardOutput="append:$log" -p StandardError="append:$log" "${nspawn[@]}"
  else
    : >> "$log"
    (
      exec >> "$log" 2>&1 < /dev/null
      enter_cgroups "$2" "$3"
      # Machines inherit the limit of the process that starts them, and a load host opens hundreds of thousands of connections.
      # Where even root may not raise the limit (a container without CAP_SYS_RESOURCE), they keep the present one.
      ulimit -n 1048576 2> /dev/null || true
      echo $BASHPID > "$pid_file"
      exec setsid "${nspawn[@]}"
    ) &
    disown
  fi
  show_memory_limit "$3"
  echo started
}

# Kills only processes inside the machine's own cgroups.
kill_rest() {
  local mount pid
  for mount in $(cgroup_mounts); do
    [[ -d $mount/$cgroup ]] || continue
    find "$mount/$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null |
      while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done || true
  done
}

remove_cgroups() {
  local mount
  for mount in $(cgroup_mounts); do
    [[ -d $mount/$cgroup ]] || continue
    for _ in {1..50}; do
      find "$mount/$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [[ -d $mount/$cgroup ]] || break
      kill_rest
      sleep 0.1
    done
    if [[ -d $mount/$cgroup ]]; then
      echo "machine.sh: processes of $name do not end; inspect $mount/$cgroup" >&2
      exit 1
    fi
  done
}

stop() {
  local pid result=unchanged
  pid=$(running_pid)
  if controller_has_systemd; then
    if systemctl is-active --quiet "$unit"; then systemctl stop "$unit"; result=stopped; fi
  elif [[ -n $pid ]]; then
    # The file tree is removed too, so nothing inside needs a clean shutdown. A Swarm node would take 20 s for it.
    pkill -KILL -P "$pid" || true
    for _ in {1..50}; do
      is_ours "$pid" || break
      sleep 0.1
    done
    if is_ours "$pid"; then kill -KILL "$pid"; fi
    result=stopped
  fi
  if ! controller_has_systemd; then kill_rest; remove_cgroups; fi
  rm -f "$pid_file"
  echo "$result"
}

case $verb in
  start) start "$4" "$5" "$6" ;;
  stop) stop ;;
  *) echo "machine.sh: unknown verb '$verb'; allowed: start, stop" >&2; exit 2 ;;
esac
