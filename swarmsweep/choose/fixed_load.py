"""The recommendation of a fixed load: the cheapest cell that holds the SLO, with the sentence that gives the reason.

`capacity_load` has the recommendation of a search.
"""

from collections.abc import Callable

from msgspec.structs import replace

from swarmsweep.choose.advice import advice, is_without_load
from swarmsweep.choose.cause import has_own_failures
from swarmsweep.choose.light_load import light_load
from swarmsweep.choose.recommendation import Recommendation, recommend_with
from swarmsweep.choose.ties import cheapest, plain_order
from swarmsweep.plan.row import OTHER_ENDPOINTS, Row
from swarmsweep.plan.tariff import CPU_EQUIVALENTS, Tariff
from swarmsweep.results import slo as slo_of
from swarmsweep.search import MIN_REQUESTS
from swarmsweep.sweep.matrix import Config, axis_text
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.units import counted, format_bytes, format_figure, format_memory, format_plain, listed

# Files in memory that are a smaller part of the limit than this do not change which memory is chosen.
MIN_SHARED_MEMORY = 0.05
# Endpoints that a sentence names. A list of more is hard to read, and the page has a table.
MAX_NAMED_ENDPOINTS = 4
# Where no cell is valid: reasons that are named, and cells that are named for each. The table has all of them.
MAX_REASONS, MAX_CELLS = 3, 3
# next.yml has this sentence too, so it names the section.
_KINDS = 'The section "Failed requests" has the kinds of its failures.'


def rps_per_cost(cell: Row, tariff: Tariff = CPU_EQUIVALENTS) -> float | None:
    """Capacity mode: verified requests per second for each unit of cost; None where no rate was verified."""
    return None if cell.capacity_rps is None else cell.capacity_rps / tariff.cost(cell.config)


def recommend(cells: list[Row], slo: SloLimits, tariff: Tariff = CPU_EQUIVALENTS) -> Recommendation:
    """The recommendation for the rows of a run.

    Only valid cells that hold the SLO can win, the cheapest first (see `ties.cheapest`). If there is none, a cell can
    win that holds the SLO as measured, while a limit lies in the interval of its latency.
    """
    good = [cell for cell in cells if cell.status == "valid" and cell.meets_slo]
    close = [cell for cell in cells if _is_close(cell, slo) and slo_of.holds_as_measured(cell, slo)]
    if not good and not close:
        return _nothing_found(cells, slo, tariff)
    best = cheapest(good or close, tariff)
    return recommend_with(
        best.id,
        answer=[light_load(cells, tariff), _take(best)],
        reasons=[
            *_figures(best, slo, tariff),
            _hidden(best, slo),
            *against_cheaper(best, cells, lambda cell: why_not(cell, slo), tariff),
            _against_fastest(best, cells, tariff),
        ],
        next_steps=[] if best.meets_slo else [f"To decide it, {_to_decide(best)}."],
    )


def _is_close(cell: Row, slo: SloLimits) -> bool:
    """Whether the verdict of a valid cell is open, because a limit lies in the interval of a latency."""
    return cell.status == "valid" and cell.meets_slo is None and slo_of.is_close(cell, slo)


def why_not(cell: Row, slo: SloLimits) -> str:
    """Why a valid cell that does not hold the SLO, or not clearly, was not chosen: the rest of a sentence."""
    missed = slo_of.misses(cell, slo)
    verb = "misses the SLO" if any(miss.exceeds for miss in missed) else "is undecided"
    return f"{verb}: {_in_words(missed)}"


def describe_config(config: Config) -> str:
    """A configuration in words: '2 replicas x 0.5 CPU, 600M, 2 workers each'."""
    replicas, workers = config["replicas"], config["workers"]
    extra = [
        f"{axis} {axis_text(config[axis])}"
        for axis in config
        if axis not in ("replicas", "cpus", "memory_bytes", "workers")
    ]
    return ", ".join(
        [
            f"{counted(replicas, 'replica')} x {format_plain(config['cpus'])} CPU",
            format_memory(config["memory_bytes"]),
            f"{counted(workers, 'worker')} each",
            *extra,
        ]
    )


def _take(best: Row) -> str:
    why = "It is the cheapest configuration that holds the SLO."
    if not best.meets_slo:
        why = "Whether it holds the SLO is undecided, because a limit is in the 95 % interval of its latency."
    return f"Take {best.id} ({describe_config(best.config)}). {why}"


def _figures(best: Row, slo: SloLimits, tariff: Tariff) -> list[str]:
    """What the chosen cell served, and its cost."""
    every = slo_of.compare_with_limits(best, slo)
    figures = figures_in_words(best, slo)
    open_ones = "No configuration clearly holds the SLO. This one is the cheapest whose measured figures hold it."
    return [
        "" if best.meets_slo else open_ones,
        f"It served {format_figure(best.rps or 0)} requests/s from {counted(best.users or 0, 'user')}, with {figures}. "
        f"{_nearest_endpoint(every)}Its cost is {tariff.words(best.config)}.",
    ]


def figures_in_words(cell: Row, slo: SloLimits) -> str:
    """The figures that the SLO limits, of all requests together, each with its limit."""
    every = slo_of.compare_with_limits(cell, slo)
    return " and ".join(figure.describe() for figure in every if not figure.endpoint)


def _nearest_endpoint(figures: list[slo_of.Miss]) -> str:
    """The endpoint that is nearest to a limit of its own, with a space at the end; empty without such limits."""
    own = [figure for figure in figures if figure.endpoint and figure.value is not None]
    if not own:
        return ""
    nearest = max(own, key=lambda figure: (figure.value or 0) / figure.limit if figure.limit else 0)
    return f"The endpoint nearest to its limit is {nearest.describe()}. "


def _hidden(best: Row, slo: SloLimits) -> str:
    """The endpoint that the figures of all requests together hide; empty where there is none."""
    worst = slo_of.hidden(best, slo)
    if worst is None:
        return ""
    requests = sum(one.requests for one in best.endpoints or () if one.name == worst.endpoint)
    share = 100 * requests / (best.requests or 1)
    return (
        f"All requests together hide the worst endpoint: {worst.describe()}, with {format_figure(share)} % of the "
        "requests. If this matters, set a limit for it in slo.endpoints."
    )


def _in_words(missed: list[slo_of.Miss]) -> str:
    """The limits that are missed. With endpoints, there may be many, so the worst one stands for them."""
    if not any(miss.endpoint for miss in missed):
        return " and ".join(miss.describe() for miss in missed)
    worst, further = max(missed, key=lambda miss: miss.factor), len(missed) - 1
    return worst.describe() + (f", and {counted(further, 'further limit')}" if further else "")


def _to_decide(cell: Row) -> str:
    """How to make the interval of a latency narrower: by more deployments. It covers the figures of all of them."""
    more = f"set repeat to {max(3, 2 * cell.attempt_count)}"
    if cell.attempt_count > 1:
        more += ". If some attempts are within the limit and others are not, take a larger configuration instead"
    return more


def against_cheaper(
    best: Row,
    cells: list[Row],
    why_not: Callable[[Row], str],
    tariff: Tariff = CPU_EQUIVALENTS,
    apart: Row | None = None,
) -> list[str]:
    """Why no cheaper cell was chosen.

    ``why_not`` gives the reason for a valid cell. A cheaper cell that was not measured is named too. ``apart`` is a
    valid cell on which the caller has a sentence of its own.
    """
    limit = tariff.cost(best.config) - 1e-9
    costs = {cell.id: tariff.cost(cell.config) for cell in cells}
    cheaper = sorted((cell for cell in cells if costs[cell.id] < limit), key=lambda cell: (-costs[cell.id], cell.id))
    tried = [cell for cell in cheaper if cell.status in ("valid", "failed", "invalid")]
    if not tried:
        return ["No cheaper configuration was measured."]
    sentences: list[str] = []
    for cell in tried:
        name = f"{cell.id} (cost {tariff.figure(cell.config)})"
        if cell.status == "valid":
            if cell is not apart:
                # Cheaper ones that failed, or were not measured, may be before it.
                sentences.append(f"The next cheaper valid one, {name}, {why_not(cell)}.")
            break
        if not sentences:
            # An invalid one has figures, which the table shows.
            verb = "failed" if cell.status == "failed" else "its measurement is invalid"
            sentences.append(f"{name} is cheaper, but {verb}. Reason: {whole_reason(cell.reason)}.")
    return sentences[::-1]


def _against_fastest(best: Row, cells: list[Row], tariff: Tariff) -> str:
    served = [(cell.rps, cell) for cell in cells if cell.status == "valid" and cell.rps]
    if not served or not best.rps:
        return ""
    rps, fastest = max(served, key=lambda pair: pair[0])
    if rps <= best.rps:
        return "No valid configuration served more requests/s."
    speed, price = rps / best.rps, tariff.cost(fastest.config) / tariff.cost(best.config)
    held = {True: "", False: " It does not hold the SLO.", None: " Whether it holds the SLO is undecided."}
    return (
        f"The fastest valid one, {fastest.id}, served {format_figure(rps)} requests/s. "
        f"That is {speed:.2f} times as many for {price:.2f} times the cost.{held[fastest.meets_slo]}"
    )


def _nothing_found(cells: list[Row], slo: SloLimits, tariff: Tariff) -> Recommendation:
    valid = [cell for cell in cells if cell.status == "valid"]
    if not valid:
        return nothing_measured(cells)
    best = nearest(valid, slo, tariff) or valid[0]
    worst = max(slo_of.misses(best, slo), key=lambda miss: miss.factor)
    is_far = worst.factor != float("inf") and not worst.is_close
    factor = f", {worst.factor:.2f} times the limit" if is_far else ""
    is_open = any(not any(miss.exceeds for miss in slo_of.misses(cell, slo)) for cell in valid)
    verb = "is known to hold" if is_open else "holds"
    return recommend_with(
        None,
        answer=[
            light_load(cells, tariff) if _may_take_more(valid, slo) else None,
            f"None of the tested configurations {verb} the SLO ({slo_of.describe(slo)}).",
        ],
        reasons=[f"The nearest is {best.id} ({describe_config(best.config)}): {worst.describe()}{factor}."],
        next_steps=[_advice(best, slo, worst)],
    )


def _may_take_more(valid: list[Row], slo: SloLimits) -> bool:
    """Whether no figure of the cells speaks against more load: the limits that are open have no figure at all.

    A limit within the interval of a latency, or a response that never came, asks for less load or a larger cell.
    """
    return all(miss.value is None for cell in valid for miss in slo_of.misses(cell, slo))


def _advice(nearest: Row, slo: SloLimits, worst: slo_of.Miss) -> str:
    """What to do when no configuration holds the SLO."""
    if first := before_size(nearest, slo):
        return first
    if worst.is_close:
        return (
            "The limit is in the 95 % interval of this figure, so this configuration may hold the SLO. "
            f"To decide it, {_to_decide(nearest)}. {_to_hold(nearest)}"
        )
    return _to_hold(nearest)


def before_size(cell: Row, slo: SloLimits) -> str:
    """What to do first with a valid cell that does not clearly hold the SLO; empty where another size may help."""
    missed = slo_of.misses(cell, slo)
    worst = max(missed, key=lambda miss: miss.factor)
    if worst.never_occurred:
        return _absent_endpoint(cell)
    if worst.is_unknown and worst.value is not None:
        return (
            "Requests had no response when the load ended, so the figure is a lower bound. "
            "Lower the load, or find out why the API does not respond to them."
        )
    if too_few := _too_few_requests(cell, worst):
        return too_few
    if worst.is_unknown:
        return 'This figure was not measured. Read the section "Are the figures valid?", then measure again.'
    has_own = has_own_failures(cell, slo)
    if has_own and cell.task_exceptions and any(miss.name == slo_of.FAILED_TASKS for miss in missed):
        return (
            'Its tasks raised exceptions. The section "Exceptions in the scenario\'s tasks" has them. '
            "Correct the scenario or the responses that it reads."
        )
    if has_own:
        return f"{_KINDS} Correct the scenario or the API."
    if worst.name == slo_of.FAILURES and cell.bottleneck == "not_saturated":
        return f"{_KINDS} Correct the scenario or the API, or lower the load."
    return ""


def _to_hold(nearest: Row) -> str:
    """What would make the API hold the SLO."""
    if is_without_load(nearest):
        return (
            "No resource was at its limit there, so larger configurations would hardly help. "
            "Make the API itself faster, lower the load, or relax the SLO."
        )
    return f"{advice(nearest)}. Or lower the load, or relax the SLO."


def _too_few_requests(nearest: Row, worst: slo_of.Miss) -> str:
    """What to do where a percentile has too few requests; empty where it has another gap."""
    requests = nearest.requests
    if worst.endpoint:
        requests = next((one.requests for one in nearest.endpoints or () if one.name == worst.endpoint), None)
    needed = MIN_REQUESTS.get(f"{worst.name}_ms", 0)
    if worst.value is not None or requests is None or requests >= needed:
        return ""
    return (
        f"This percentile needs {needed} requests, and there were {requests}. "
        "Set load.measure_seconds to a longer time, or load.users to a larger number."
    )


def _absent_endpoint(nearest: Row) -> str:
    """What to do where no request had a name of the SLO."""
    names = [endpoint.name for endpoint in nearest.endpoints or () if endpoint.requests]
    more = ", and others" if len(names) > MAX_NAMED_ENDPOINTS else ""
    others = (
        ""
        if OTHER_ENDPOINTS not in names
        else f"With over 200 names, the missing one may be in the row {OTHER_ENDPOINTS}. "
    )
    return (
        f"These names occurred: {', '.join(names[:MAX_NAMED_ENDPOINTS])}{more}. {others}"
        "Correct slo.endpoints in the sweep file, or name= in the locustfile, and measure again."
    )


def nothing_measured(cells: list[Row]) -> Recommendation:
    """Why no valid cell can be recommended. A valid twin, or one of another scenario, may be among ``cells``."""
    is_beside = any(cell.status == "valid" for cell in cells)
    noun = "configuration that can be recommended" if is_beside else "configuration"
    counts = {word: sum(cell.status == word for cell in cells) for word in ("failed", "invalid", "infeasible")}
    by_status = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    missing = sum(cell.status is None for cell in cells)
    if not counts["failed"] and not counts["invalid"]:
        found = f" ({by_status})" if by_status else ""
        return recommend_with(None, answer=[f"No {noun} has been measured yet{found}."])
    rest = f", {missing} not measured" if missing else ""
    causes: dict[tuple[str, str], list[str]] = {}
    for word in ("failed", "invalid"):
        for cell in cells:
            if cell.status == word:
                causes.setdefault((word, whole_reason(cell.reason)), []).append(cell.id)
    reasons = [f"{_that(word, names)}. Reason: {reason}." for (word, reason), names in causes.items()]
    if len(reasons) > MAX_REASONS:
        others = counted(len(reasons) - MAX_REASONS, "further reason")
        reasons = [*reasons[:MAX_REASONS], f'The section "Every configuration" has {others}.']
    named = "cause" if len(causes) == 1 else "causes"
    return recommend_with(
        None,
        answer=[f"No {noun} has a valid measurement: {by_status}{rest}."],
        reasons=reasons,
        next_steps=[f"Remove the {named}, and measure again."],
    )


def _that(status: str, names: list[str]) -> str:
    """That cells failed or are invalid, with their ids."""
    more = len(names) - MAX_CELLS
    shown = [*names[:MAX_CELLS], counted(more, "other")] if more > 0 else names
    verb = "failed" if status == "failed" else "is invalid" if len(names) == 1 else "are invalid"
    return f"{listed(shown)} {verb}"


def _shortfall(cell: Row, slo: SloLimits) -> float:
    return max((row.factor for row in slo_of.misses(cell, slo)), default=0.0)


def whole_reason(reason: str | None) -> str:
    """The reason of a row on one line, without its full stop. A part of it could lack the fix, which comes last."""
    return " ".join((reason or "no reason was recorded").split()).rstrip(".")


def sensitivity(cells: list[Row], slo: SloLimits, chosen: str | None, tariff: Tariff = CPU_EQUIVALENTS) -> list[str]:
    """Sentences on how latency limits a fifth tighter or looser would change the choice; empty when they would not.

    ``chosen`` is the id of the recommended cell.
    """
    sentences = []
    for factor, word in ((0.8, "20 % lower"), (1.2, "20 % higher")):
        limits = slo.with_latencies(factor)
        rows = [
            replace(cell, meets_slo=slo_of.meets(cell, limits) if cell.status == "valid" else None) for cell in cells
        ]
        other = recommend(rows, limits, tariff).cell_id
        if other != chosen:
            name = other or "no tested configuration"
            # Its latency alone does not show it: the limit may be above it, and in its interval.
            is_open = any(row.id == chosen and row.status == "valid" and row.meets_slo is None for row in rows)
            why = f", because it would be open whether {chosen} holds them" if is_open and other else ""
            sentences.append(f"If the latency limits were {word}, {name} would be recommended{why}.")
    return sentences


def nearest(cells: list[Row], slo: SloLimits, tariff: Tariff = CPU_EQUIVALENTS) -> Row | None:
    """The valid cell that misses the SLO by least, or the cheapest of several; None when no cell is valid."""
    valid = [cell for cell in cells if cell.status == "valid"]
    return min(valid, key=lambda cell: (_shortfall(cell, slo), plain_order(cell, tariff)), default=None)


def memory_headroom(cell: Row) -> str | None:
    """The memory of the replica that used most, as a sentence; None where it was not measured."""
    peak, limit = cell.api.memory_peak_bytes, cell.config["memory_bytes"]
    if peak is None:
        return None
    share = 100 * peak / limit
    used = (
        f"No replica of {cell.id} used more than {format_bytes(peak)} of memory "
        f"({share:.0f} % of its limit of {format_memory(limit)})."
    )
    files = cell.api.shared_memory_peak_bytes
    if files is None or files < MIN_SHARED_MEMORY * limit:
        return used
    return f"{used} Up to {format_bytes(files)} of it was files in memory: /tmp, lab_api_writable and shared memory."
