"""Sample the CPU, memory and network of this machine, and the containers of some Swarm stacks, as JSON lines.

Needs Python 3.9 and the standard library only. One line per tick is appended to --output and flushed:

    {"t": epoch seconds, "host": {...}, "containers": {"<64 hex id>": {...}}}

Counters are the kernel's own and cumulative: a reader takes differences. A counter that the kernel does not
offer is null, never 0. A container that has gone is absent from the line. Both cgroup versions and their hybrid are
read. Containers are looked up in a thread of their own, so that a slow Docker daemon never delays a tick.

Who used the machine's cores? ``own_cpu_seconds`` is what all processes of this machine used; where it shares its
computer (a container that plays a machine), the rest of what /proc/stat shows on its cores was used by others.
``lab_cpu_seconds`` is the lab's part of it; null where only the machine as a whole can be measured.
"""
