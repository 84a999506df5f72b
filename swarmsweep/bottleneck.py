"""What held the API back: one word from the evidence, and the sentence that carries it."""

from swarmsweep.checks import MAX_WORKER_CPU_PERCENT
from swarmsweep.units import format_bytes, format_figure, format_memory
from swarmsweep.usage import ApiUsage

THROTTLED_PERCENT = 20.0  # a fifth of the periods cut short shows in the tail
HOST_BUSY_PERCENT = 90.0  # of the API host's own cores


def find_bottleneck(
    usage: ApiUsage, oom_kills: int | None, generator_percent: float | None, memory_limit_bytes: int
) -> tuple[str | None, str | None]:
    """Name what held the API back, as (word, evidence); (None, None) without data.

    The word is 'memory', 'generator', 'cpu_throttled', 'host_cpu' or 'not_saturated'. The first that applies wins,
    because each one hides those after it. ``generator_percent`` is the busiest second of a Locust worker,
    ``memory_limit_bytes`` the limit of one replica.
    """
    if oom_kills:
        peak = usage.memory_peak_bytes
        seen = f", peak use seen {format_bytes(peak)}" if peak is not None else ""
        kills = "1 OOM kill" if oom_kills == 1 else f"{oom_kills} OOM kills"
        return "memory", f"{kills} at a limit of {format_memory(memory_limit_bytes)} per replica{seen}"
    if generator_percent is not None and generator_percent >= MAX_WORKER_CPU_PERCENT:
        return "generator", f"a Locust worker used {format_figure(generator_percent)} % of a core"
    throttled, busy = usage.throttled_percent, usage.host_busy_percent
    if throttled is not None and throttled >= THROTTLED_PERCENT:
        return "cpu_throttled", (
            f"the replicas' CPU limit cut {format_figure(throttled)} % of the scheduler's periods short{_cores(usage)}"
        )
    if busy is not None and busy >= HOST_BUSY_PERCENT:
        return "host_cpu", f"the API host was {format_figure(busy)} % busy{_cores(usage)}"
    if throttled is None and busy is None:
        return None, None
    known = [f"{format_figure(throttled)} % of periods throttled"] if throttled is not None else []
    known += [f"API host {format_figure(busy)} % busy"] if busy is not None else []
    return "not_saturated", f"{', '.join(known)}: neither the CPU limit nor the host was the limit{_cores(usage)}"


def _cores(usage: ApiUsage) -> str:
    return f"; the replicas used {format_figure(usage.cpu_cores)} cores" if usage.cpu_cores is not None else ""
