"""Whether packets of full size pass between HAProxy's network and the replicas on other API hosts.

Swarm puts each packet between two hosts into another one, which is 50 bytes longer. Where the network between the hosts
carries less, small packets pass and full ones are lost. Then a connection opens, and a long response never arrives.
"""

from __future__ import annotations

import json
import subprocess
import sys

# Tries of each size. A single packet may be lost by chance.
TRIES = 3
# Each try. Within a data centre, a reply takes less than a millisecond.
REPLY_SECONDS = 0.5
# A packet that every network carries: the minimum of IPv4 is 576.
SMALL_BYTES = 100
# What Swarm adds to a packet: Ethernet, IP, UDP and VXLAN.
ADDED_BYTES = 50
# All of them. Only what gets no reply takes its whole time.
DEADLINE_SECONDS = 20

# An echo (ping) is answered by the kernel, whatever the replica does. The reply is as long as the request.
PROGRAM = """
import json, os, socket, struct, sys, time

tries, seconds, small, addresses = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, IP_MTU = 10, 3, 14


def full_size(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((address, 9))
        return route.getsockopt(socket.IPPROTO_IP, IP_MTU)


def is_answered(address, size, number):
    own, total = os.getpid() & 0xFFFF, 0x0800 + (os.getpid() & 0xFFFF) + number
    total = (total & 0xFFFF) + (total >> 16)
    request = struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, own, number) + bytes(size - 28)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as echo:
        # It may not be split, and what the kernel remembers of the path does not matter.
        echo.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        echo.connect((address, 0))
        end = time.monotonic() + seconds
        try:
            echo.send(request)
            while (left := end - time.monotonic()) > 0:
                echo.settimeout(left)
                reply = echo.recv(65536)
                if reply[20:21] == bytes(1) and reply[24:28] == struct.pack("!HH", own, number):
                    return len(reply) == size
        except OSError:
            pass
    return False


def try_sizes(address):
    size = 0
    for number in range(tries):
        # It is read for each try: a network that names a smaller size is one that works.
        size = full_size(address)
        if is_answered(address, size, 2 * number):
            return {"bytes": size, "full": True, "small": True}
    near = any(is_answered(address, small, 2 * number + 1) for number in range(tries))
    return {"bytes": size, "full": False, "small": near}


found = {}
for address in addresses:
    found[address] = try_sizes(address)
    # Further ones that lose packets would take time, and say the same.
    if found[address]["small"] and not found[address]["full"]:
        break
print(json.dumps(found))
"""


def lost(pid: int, hosts: dict[str, str]) -> str | None:
    """Return which packets are lost between the network of a process and addresses, with the fix, or None.

    ``hosts``: address -> name of its API host. None too where no packet is answered, so that nothing is known.
    """
    command = ["nsenter", f"--target={pid}", "--net", "--", sys.executable, "-I", "-c", PROGRAM]
    command += [str(TRIES), str(REPLY_SECONDS), str(SMALL_BYTES), *hosts]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return None
    if done.returncode != 0:
        return None
    found = json.loads(done.stdout)
    for address, of_address in found.items():
        if of_address["small"] and not of_address["full"]:
            size, host = of_address["bytes"], hosts[address]
            return (
                f"Packets of {size} bytes are lost between HAProxy and the replica on API host {host} ({address}), and "
                f"packets of {SMALL_BYTES} bytes pass. Long requests and responses would never arrive. "
                f"Fix: let the network between the API hosts carry packets of {size + ADDED_BYTES} bytes. "
                "On each of them, `ip link` shows the mtu of an interface"
            )
    return None
