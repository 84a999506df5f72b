"""Training: its rows, its model, and what becomes champion."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from covertype_api.model_source import ONNX_FILE, SKLEARN_TAG
from covertype_api.schema import CATEGORIES, FEATURE_COLUMNS, NUMBERS, RAW_COLUMNS, TARGET, indicator_columns
from covertype_api.training import data
from covertype_api.training.parameters import FOREST


def one_hot(dataset) -> pd.DataFrame:
    """Rows in UCI's schema."""
    table = dataset.rows[list(NUMBERS)].astype(int)
    for category, values in CATEGORIES.items():
        for value, column in zip(values, indicator_columns(category), strict=True):
            table[column] = (dataset.rows[category] == value).astype(int)
    return table[list(FEATURE_COLUMNS)].assign(Cover_Type=dataset.labels)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("native", [True, False])
def test_every_format_gives_the_same_rows(tmp_path, native, packed, header):
    dataset = data.generate(300, seed=5)
    table = one_hot(dataset) if native else dataset.rows.assign(Cover_Type=dataset.labels)
    content = table.to_csv(index=False, header=header).encode()
    path = tmp_path / "rows.data"
    path.write_bytes(gzip.compress(content) if packed else content)
    read = data.read(str(path))
    assert tuple(read.rows.columns) == RAW_COLUMNS
    pd.testing.assert_frame_equal(read.rows, dataset.rows, check_dtype=False)
    assert read.sha256 == dataset.sha256
    assert (read.labels == dataset.labels).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="Slope"), "Slope"),
        (lambda table: table.drop(columns=TARGET), TARGET),
        (lambda table: table.assign(Soil_Type="Sand"), "Sand"),
        (lambda table: table.assign(Slope=np.nan), "missing or infinite"),
        (lambda table: table.assign(Cover_Type=8), "1 to 7"),
        (lambda table: table.head(0), "Covertype|column|row"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, change, message):
    dataset = data.generate(50, seed=5)
    path = tmp_path / "rows.csv"
    change(dataset.rows.assign(Cover_Type=dataset.labels)).to_csv(path, index=False)
    with pytest.raises(data.DataError, match=message):
        data.read(str(path))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bbroken", b"1,2,3\n", b'<html>"no"</html>'])
def test_files_that_are_no_table_are_refused(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=r"rows\.csv"):
        data.read(str(path))


def test_generated_rows_are_realistic_and_repeatable():
    dataset = data.generate(20_000, seed=1)
    assert dataset.sha256 == data.generate(20_000, seed=1).sha256 != data.generate(20_000, seed=2).sha256
    assert set(dataset.labels) == set(range(1, 8))
    assert dataset.rows["Elevation"].between(1859, 3858).all()
    for name in ("Hillshade_9am", "Hillshade_Noon", "Hillshade_3pm"):
        assert dataset.rows[name].between(0, 254).all()
    assert dataset.source.startswith("generated")


def test_a_row_held_out_once_always_is():
    """A champion must not be judged on rows that it has learnt, whatever sample or seed came later."""
    dataset = data.generate(3000, seed=4)
    backwards = data.Dataset(dataset.rows[::-1].reset_index(drop=True), dataset.labels[::-1], "backwards")
    part = data.Dataset(dataset.rows.head(700), dataset.labels[:700], "part")
    learnt = set(data.split(dataset)[0].rows.itertuples(index=False, name=None))
    for other in (backwards, part):
        held_out = set(data.split(other)[1].rows.itertuples(index=False, name=None))
        assert held_out and not held_out & learnt
    with pytest.raises(data.DataError, match="too few"):
        data.split(data.Dataset(dataset.rows.head(1), dataset.labels[:1], "one"))


def test_real_rows_reach_080_and_onnx_agrees(real_rows):
    from covertype_api.training import forest

    learn, judge = data.split(data.load(str(real_rows), None, seed=0))
    assert 0.18 < len(judge.labels) / (len(judge.labels) + len(learn.labels)) < 0.22
    pipeline = forest.build(0).fit(learn.rows, learn.labels)
    expected = pipeline.predict(judge.rows)
    assert (expected == judge.labels).mean() >= 0.80
    content = forest.to_onnx_bytes(pipeline)
    assert len(content) <= 20_000_000
    assert (forest.onnx_predict(content, pipeline, judge.rows) == expected).mean() >= 0.999


def test_service_and_pipeline_agree_on_real_rows(real_rows, tmp_path):
    """The path of a request (JSON, encoder, predictor) against scikit-learn's, for columns in any order."""
    from covertype_api.decoder import MsgspecDecoder
    from covertype_api.encoder import FeatureEncoder
    from covertype_api.predictor import OnnxPredictor
    from covertype_api.training import forest

    dataset = data.load(str(real_rows), None, seed=0, rows_limit=3000)
    pipeline = forest.build(0).fit(dataset.rows, dataset.labels)
    (tmp_path / ONNX_FILE).write_bytes(forest.to_onnx_bytes(pipeline))
    predictor = OnnxPredictor(tmp_path, len(FEATURE_COLUMNS))
    sample = dataset.rows.head(500)
    body = json.dumps({"rows": sample.to_dict("records")}).encode()
    decoded = MsgspecDecoder().decode(body)
    features = FeatureEncoder(FEATURE_COLUMNS).encode(decoded)
    assert predictor.predict(features) == pipeline.predict(sample).tolist()
    # One row takes a path of its own.
    assert (np.vstack([FeatureEncoder(FEATURE_COLUMNS).encode([row]) for row in decoded]) == features).all()
    reverse = FeatureEncoder(FEATURE_COLUMNS[::-1])
    assert (reverse.encode(decoded)[:, ::-1] == features).all()
    assert (reverse.encode(decoded[:1])[:, ::-1] == features[:1]).all()


def test_result_is_logged_with_both_flavours(lab, trained):
    import mlflow
    from mlflow.tracking import MlflowClient

    assert trained["promoted"] and trained["status"] == "trained"
    assert trained["accuracy"] > 0.8
    assert trained["onnx_agreement"] >= 0.999
    mlflow.set_tracking_uri(lab.mlflow.uri)
    client = MlflowClient(lab.mlflow.uri)
    version = client.get_model_version_by_alias("covertype", "champion")
    assert version.tags["onnx_sha256"] == trained["onnx_sha256"]
    run = client.get_run(version.run_id)
    assert run.data.metrics["accuracy"] == pytest.approx(trained["accuracy"], abs=1e-6)
    assert int(run.data.params["max_leaf_nodes"]) == FOREST["max_leaf_nodes"]
    model = mlflow.sklearn.load_model("models:/covertype@champion")
    dataset = data.generate(200, seed=9)
    assert (model.predict(dataset.rows) == dataset.labels).mean() > 0.7
    info = mlflow.models.get_model_info("models:/covertype@champion")
    assert [column.name for column in info.signature.inputs] == list(RAW_COLUMNS)


def test_if_missing_trains_only_for_other_arguments(lab, trained):
    same = lab.train("--source", "generated", "--rows", "6000", "--if-missing")
    assert (same["status"], same["version"]) == ("exists", trained["champion_version"])


def test_a_champion_that_only_onnx_can_serve_is_trained_anew(lab, trained):
    """As registered before a tag named the scikit-learn flavour."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(lab.mlflow.uri)
    champion = client.get_model_version(trained["model"], trained["version"])
    tags = dict(champion.tags)
    assert tags.pop(SKLEARN_TAG)
    name = "covertype_untagged"
    client.create_registered_model(name)
    logged = champion.source.removeprefix("models:/")
    client.create_model_version(name, champion.source, champion.run_id, tags=tags, model_id=logged)
    client.set_registered_model_alias(name, "champion", "1")
    again = lab.train("--source", "generated", "--rows", "6000", "--if-missing", MODEL_NAME=name)
    assert (again["status"], again["version"], again["promoted"]) == ("trained", "2", True)
    assert again["previous_champion_accuracy"] == pytest.approx(trained["accuracy"], abs=1e-6)
    assert SKLEARN_TAG in client.get_model_version(name, "2").tags


def test_champion_stays_unless_the_new_model_is_no_worse(lab, trained, tmp_path):
    dataset = data.generate(6000, seed=3)
    path = tmp_path / "rows.csv"
    dataset.rows.assign(Cover_Type=dataset.labels).to_csv(path, index=False)
    alias = {"MODEL_ALIAS": "rival"}
    first = lab.train("--source", str(path), **alias)
    assert first["promoted"] and first["previous_champion_accuracy"] is None
    # A model of a sixth of the rows is worse where both are judged.
    small = lab.train("--source", str(path), "--rows", "1000", **alias)
    assert not small["promoted"] and "better" in small["reason"]
    assert small["accuracy"] < small["previous_champion_accuracy"] - 0.002
    assert small["champion_version"] == first["version"] != small["version"]
    generated = lab.train("--source", "generated", "--rows", "2000", **alias)
    assert not generated["promoted"] and "real rows" in generated["reason"]
    # auto requests no rows in particular.
    assert lab.train("--if-missing", **alias)["version"] == first["version"]


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (["--source", "/nonexistent.csv"], {}, "cannot read /nonexistent.csv"),
        (["--source", "generated"], {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
    ],
)
def test_failures_are_reported_without_a_traceback(lab, arguments, env, message):
    done = lab.python("covertype_api.train", *arguments, **env)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
