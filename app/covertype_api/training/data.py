"""Rows to learn from: from a file, from scikit-learn's download, or made here."""

import gzip
import hashlib
import io
import socket
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from covertype_api.schema import (
    CATEGORIES,
    COVER_TYPES,
    FEATURE_COLUMNS,
    NUMBERS,
    RAW_COLUMNS,
    SOIL_TYPES,
    TARGET,
    WILDERNESS_AREAS,
    indicator_columns,
)
from covertype_api.training.parameters import HELD_OUT_SHARE

# As many as a replica's CPU trains within seconds; more rows add little to a bounded forest.
ROWS_LIMIT = 25_000
# Where scikit-learn downloads from. `auto` must not keep a machine without internet waiting, so this is tried first.
DOWNLOAD_URL = "https://ndownloader.figshare.com/files/5976039"
REACHABLE_SECONDS = 8.0
# Longest silence within a download.
DOWNLOAD_TIMEOUT_SECONDS = 20.0
URL_TIMEOUT_SECONDS = 60.0


class DataError(ValueError):
    """Rows that cannot be had or used; the message names the source and what is allowed."""


@dataclass(frozen=True)
class Dataset:
    """Labelled rows: ``rows`` has the columns RAW_COLUMNS, ``labels`` are 1 to 7, ``source`` says where from."""

    rows: pd.DataFrame
    labels: np.ndarray
    source: str

    @property
    def sha256(self) -> str:
        """Digest of the rows and labels, whatever the format they came in."""
        digest = hashlib.sha256(pd.util.hash_pandas_object(self.rows, index=False).to_numpy().tobytes())
        digest.update(self.labels.astype(np.int64).tobytes())
        return digest.hexdigest()


def split(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Rows to learn from, and rows held out: HELD_OUT_SHARE of them, chosen by their content alone.

    So a row that is held out once always is, whatever the seed or the sample, and a champion can be judged on the
    held-out rows of any later model without having learnt from them.

    Raises:
        DataError: one of the two would be empty.
    """
    held_out = pd.util.hash_pandas_object(dataset.rows, index=False).to_numpy() % 1000 < HELD_OUT_SHARE * 1000
    if held_out.all() or not held_out.any():
        raise DataError(f"{dataset.source} has {len(held_out)} rows: too few to hold some out")
    learn, judge = (
        Dataset(dataset.rows[chosen].reset_index(drop=True), dataset.labels[chosen], dataset.source)
        for chosen in (~held_out, held_out)
    )
    return learn, judge


def load(source: str, path: str | None, seed: int, rows_limit: int = ROWS_LIMIT) -> Dataset:
    """Rows from ``source``: ``auto``, ``fetch``, ``generated``, a path or a URL.

    ``auto`` takes the first that works: ``path`` where it exists, scikit-learn's download, rows generated here.

    Raises:
        DataError: the source was named and cannot be read.
    """
    if source == "generated":
        return generate(rows_limit, seed)
    if source == "fetch":
        return _sample(fetch(), rows_limit, seed)
    if source != "auto":
        return _sample(read(source), rows_limit, seed)
    if path and Path(path).exists():
        return _sample(read(path), rows_limit, seed)
    try:
        return _sample(fetch(), rows_limit, seed)
    except DataError as error:
        print(f"no real rows ({error}): generating {rows_limit} rows")
        return generate(rows_limit, seed)


def read(source: str) -> Dataset:
    """A CSV file or URL, gzip or plain, with or without a header, one-hot (UCI) or with the twelve raw columns.

    Raises:
        DataError: it cannot be read, or its columns or values are not those of Covertype.
    """
    try:
        if source.startswith(("http://", "https://")):
            with urllib.request.urlopen(source, timeout=URL_TIMEOUT_SECONDS) as response:
                content = response.read()
        else:
            content = Path(source).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        header = content[:1].isalpha() or content[:1] == b'"'
        table = pd.read_csv(io.BytesIO(content), header=0 if header else None)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"cannot read {source}: {error}") from error
    if not header:
        names = {55: (*FEATURE_COLUMNS, TARGET), 13: (*RAW_COLUMNS, TARGET)}.get(table.shape[1])
        if names is None:
            raise DataError(f"{source} has no header and {table.shape[1]} columns; 55 (UCI) or 13 are allowed")
        table.columns = names
    return _checked(table, source)


def fetch() -> Dataset:
    """scikit-learn's copy: from its cache, else downloaded, else DataError soon.

    Raises:
        DataError: it is not cached and cannot be downloaded.
    """
    from sklearn.datasets import fetch_covtype

    before = socket.getdefaulttimeout()
    # fetch_covtype has no timeout of its own.
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        try:
            bunch = fetch_covtype(as_frame=True, download_if_missing=False)
        except OSError:
            _require_reachable(DOWNLOAD_URL)
            bunch = fetch_covtype(as_frame=True, n_retries=1, delay=0.1)
    except Exception as error:  # whatever a half-working network raises, the error is the same
        raise DataError(f"fetch_covtype: {type(error).__name__}: {error}") from error
    finally:
        socket.setdefaulttimeout(before)
    table = bunch.frame
    # scikit-learn counts Wilderness_Area_0 and Soil_Type_0 up.
    table.columns = (*FEATURE_COLUMNS, TARGET)
    return _checked(table, "sklearn.datasets.fetch_covtype")


def _require_reachable(url: str) -> None:
    """Raise OSError unless a server responds soon. In a thread: no timeout covers a name server that is silent."""
    failure: list[Exception] = [TimeoutError(f"no response from {url} within {REACHABLE_SECONDS:g} s")]

    def knock() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REACHABLE_SECONDS):
                failure.clear()
        except OSError as error:
            failure[:] = [error]

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(REACHABLE_SECONDS)
    if failure:
        raise failure[0]


def _checked(table: pd.DataFrame, source: str) -> Dataset:
    wanted = RAW_COLUMNS if set(CATEGORIES) <= set(table.columns) else FEATURE_COLUMNS
    if missing := [name for name in (*wanted, TARGET) if name not in table.columns]:
        raise DataError(f"{source} lacks the column {missing[0]!r} and {len(missing) - 1} more")
    rows = table.loc[:, list(NUMBERS)].copy()
    for category, values in CATEGORIES.items():
        if wanted is RAW_COLUMNS:
            rows[category] = table[category].astype(str)
            if unknown := set(rows[category]) - set(values):
                raise DataError(f"{source}: {category} {min(unknown)!r} is unknown; allowed: {', '.join(values)}")
        else:
            indicators = table.loc[:, list(indicator_columns(category))].to_numpy()
            if not (np.isin(indicators, (0, 1)).all() and (indicators.sum(axis=1) == 1).all()):
                raise DataError(f"{source}: each row needs exactly one {category} column that is 1")
            rows[category] = np.array(values)[indicators.argmax(axis=1)]
    try:
        rows[list(NUMBERS)] = rows[list(NUMBERS)].astype(np.float64)
        labels = table[TARGET].to_numpy(dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{source}: {error}") from error
    if not np.isfinite(rows[list(NUMBERS)].to_numpy()).all():
        raise DataError(f"{source}: a number is missing or infinite")
    if len(labels) == 0 or labels.min() < 1 or labels.max() > len(COVER_TYPES):
        raise DataError(f"{source}: {TARGET} must be 1 to {len(COVER_TYPES)}, in at least one row")
    return Dataset(rows, labels, source)


def _sample(dataset: Dataset, rows_limit: int, seed: int) -> Dataset:
    if len(dataset.labels) <= rows_limit:
        return dataset
    chosen = np.sort(np.random.default_rng(seed).choice(len(dataset.labels), rows_limit, replace=False))
    return Dataset(dataset.rows.iloc[chosen].reset_index(drop=True), dataset.labels[chosen], dataset.source)


# Elevation of each area in metres (mean, standard deviation), and its share of the rows, after UCI's covtype.info.
_AREAS = {"Rawah": (3000, 190, 0.45), "Neota": (3320, 110, 0.05), "Comanche Peak": (2950, 270, 0.43)} | {
    "Cache la Poudre": (2250, 190, 0.07)
}
# Mean elevation of each cover type in metres, after UCI: the zones that foresters know.
_ZONES = {4: 2224, 3: 2395, 6: 2419, 5: 2787, 2: 2921, 1: 3128, 7: 3362}


def generate(rows: int, seed: int) -> Dataset:
    """Rows that look like Covertype, with labels that can be learned: the zone of an elevation, shifted by soil,
    wilderness area and the distance to water, with noise. Not real, and says so in ``source``."""
    rng = np.random.default_rng(seed)
    area = rng.choice(len(WILDERNESS_AREAS), rows, p=[share for _, _, share in _AREAS.values()])
    means = np.array([mean for mean, _, _ in _AREAS.values()])[area]
    spreads = np.array([spread for _, spread, _ in _AREAS.values()])[area]
    elevation = np.clip(rng.normal(means, spreads), 1859, 3858)
    # Soils follow elevation: type 1 in the lowest places, type 40 on the peaks.
    soil = np.clip(rng.normal((elevation - 1859) / 2000 * 39, 4), 0, 39).round().astype(int)
    aspect = rng.uniform(0, 360, rows)
    slope = np.clip(rng.gamma(3.5, 4.0, rows), 0, 66)
    water = np.clip(rng.exponential(270, rows), 0, 1397)
    light = np.cos(np.radians(aspect - 120)) * slope
    table = pd.DataFrame(
        {
            "Elevation": elevation,
            "Aspect": aspect,
            "Slope": slope,
            "Horizontal_Distance_To_Hydrology": water,
            "Vertical_Distance_To_Hydrology": np.clip(water * rng.normal(0.17, 0.15, rows), -173, 601),
            "Horizontal_Distance_To_Roadways": np.clip(rng.gamma(2.2, 1070, rows), 0, 7117),
            "Hillshade_9am": np.clip(218 + light + rng.normal(0, 6, rows), 0, 254),
            "Hillshade_Noon": np.clip(228 - slope * 0.4 + rng.normal(0, 8, rows), 0, 254),
            "Hillshade_3pm": np.clip(140 - 1.5 * light + rng.normal(0, 8, rows), 0, 254),
            "Horizontal_Distance_To_Fire_Points": np.clip(rng.gamma(2.2, 900, rows), 0, 7173),
        }
    ).round()
    table["Wilderness_Area"] = np.array(WILDERNESS_AREAS)[area]
    table["Soil_Type"] = np.array(SOIL_TYPES)[soil]
    zone = elevation + np.where(soil % 3 == 0, 60, -30) - np.minimum(water, 600) / 12
    zone += np.array([0, 40, -20, -60])[area] + rng.normal(0, 25, rows)
    cover_types = np.array(list(_ZONES))
    borders = np.array(list(_ZONES.values()))
    labels = cover_types[np.searchsorted((borders[:-1] + borders[1:]) / 2, zone)]
    return Dataset(table, labels.astype(np.int64), f"generated (seed {seed})")
