"""Makes Locust's statistics and their CSV files as exact as their data, and bounds texts of failures: see `apply`.

The master needs it, because it writes the files. Every worker needs it, because it rounds its reports.
"""

from typing import Any

import locust.runners
import locust.stats

from loadgen.common.secrets_folder import hide

# Locust's CSV rounds to two digits and then to whole milliseconds. A comparison of configurations needs 0.1 ms.
DECIMALS = 1
# Locust's default of 3 s makes its history move in steps, and leaves more to report at the end.
REPORT_SECONDS = 1.0

# Locust keeps every text of a failure. A scenario that puts a whole response into each would block the master.
MAX_TEXT_CHARACTERS, MAX_TEXTS = 300, 200
OTHERS = "(other errors)"

_log_request = locust.stats.RequestStats.log_request
_log_error = locust.stats.RequestStats.log_error
_log_exception = locust.runners.Runner.log_exception
_close_files = locust.stats.StatsCSVFileWriter.close_files


def _percentile_fields(self: locust.stats.StatsCSV, stats_entry: Any, use_current: bool = False) -> list[Any]:
    if not stats_entry.num_requests:
        return self.percentiles_na
    percentile = stats_entry.get_response_time_percentile
    if use_current and stats_entry.use_response_times_cache:
        percentile = stats_entry.get_current_response_time_percentile
    return [percentile(share) or 0 for share in self.percentiles_to_report]


def _log_hidden_request(self: locust.stats.RequestStats, method: str, name: str, *arguments: Any) -> None:
    _log_request(self, method, hide(name) if isinstance(name, str) else name, *arguments)


def _log_short_error(self: locust.stats.RequestStats, method: str, name: str, error: Any) -> None:
    parse, create_key = locust.stats.StatsError.parse_error, locust.stats.StatsError.create_key
    try:
        text = parse(error)
    except Exception:  # its own __repr__ raised
        text = error = type(error).__name__
    if (hidden := hide(text)) != text:
        text = error = hidden
    # Without a name of its own, a request has that of its URL, which may have a token.
    name = hide(name) if isinstance(name, str) else name
    if len(text) > MAX_TEXT_CHARACTERS:
        error = f"{text[:MAX_TEXT_CHARACTERS]}..."
    if len(self.errors) >= MAX_TEXTS and create_key(method, name, error) not in self.errors:
        error = OTHERS
    _log_error(self, method, name, error)


def _log_hidden_exception(self: locust.runners.Runner, node_id: str, msg: str, formatted_tb: str) -> None:
    _log_exception(self, node_id, hide(msg), hide(formatted_tb))


def _rewrite_and_close(self: locust.stats.StatsCSVFileWriter) -> None:
    """Locust rewrites its files once a second, but not at the end: without a wait, the last rows are lost."""
    for file, writer, columns, write_rows in (
        (self.requests_csv_filehandle, self.requests_csv_writer, self.requests_csv_columns, self._requests_data_rows),
        (self.failures_csv_filehandle, self.failures_csv_writer, self.failures_columns, self._failures_data_rows),
        (
            self.exceptions_csv_filehandle,
            self.exceptions_csv_writer,
            self.exceptions_columns,
            self._exceptions_data_rows,
        ),
    ):
        file.seek(0)
        writer.writerow(columns)
        write_rows(writer)
        file.truncate()
    _close_files(self)


def apply() -> None:
    """Change Locust in this process. Call it before a test starts; a second call has no further effect."""
    locust.stats.bucket_response_time = lambda response_time_ms: round(response_time_ms, DECIMALS)
    locust.stats.RequestStats.log_request = _log_hidden_request
    locust.stats.RequestStats.log_error = _log_short_error
    locust.runners.Runner.log_exception = _log_hidden_exception
    locust.runners.WORKER_REPORT_INTERVAL = REPORT_SECONDS
    locust.stats.StatsCSVFileWriter._percentile_fields = _percentile_fields
    locust.stats.StatsCSVFileWriter.close_files = _rewrite_and_close
