"""`./lab bench NAME [OPTIONS]`: run one benchmark, or list them."""

import importlib
import signal
import sys
from types import FrameType

from swarmsweep.errors import LabError

# Each is a folder of this package whose `command.py` has `main(arguments)`.
BENCHMARKS = {
    "serving": "requests/s of the API against mlflow models serve, LitServe and BentoML; its memory and start",
    "generator": "requests/s of the load generator against FastHttpUser and wrk, with nginx's own count",
    "truth": "the capacity found against servers where it is known; false verdicts on equal cells",
    "overhead": "how long a cell takes besides its load, and why; what sampling, planning and reporting cost",
}


def describe() -> str:
    """The help of the command."""
    names = "\n".join(f"  {name:12}{what}" for name, what in BENCHMARKS.items())
    return (
        "usage: ./lab bench NAME [OPTIONS]\n\n"
        f"{names}\n\n"
        "Prints a table with ratios and writes reports/bench/NAME.json. ./lab bench NAME --help lists its options."
    )


def stop(number: int, _: FrameType | None) -> None:
    """Turn a signal into an exception, so that every started process is ended before the exit."""
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """Exit code of the command."""
    name, *options = arguments or [""]
    if name in ("-h", "--help", "help"):
        print(describe())
        return 0
    if name not in BENCHMARKS:
        reason = f"there is no benchmark {name!r}" if name else "NAME is missing"
        print(f"{describe()}\n\nlab bench: {reason}; allowed: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # Background jobs of a shell script start with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        importlib.import_module(f"bench.{name}.command").main(options)
    except LabError as error:
        print(f"lab bench {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nlab bench {name}: stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
