"""The model: a bounded random forest, and the same forest as ONNX."""

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from covertype_api.schema import CATEGORIES, FEATURE_COLUMNS, NUMBERS
from covertype_api.training.parameters import FOREST


def build(seed: int) -> Pipeline:
    """Untrained pipeline for a frame with the twelve raw columns."""
    one_hot = OneHotEncoder(categories=[list(values) for values in CATEGORIES.values()], sparse_output=False)
    columns = ColumnTransformer(
        [("numbers", "passthrough", list(NUMBERS)), ("categories", one_hot, list(CATEGORIES))],
        verbose_feature_names_out=False,
    )
    # Without pandas inside: the forest learns on the plain matrix that the service will give it.
    return Pipeline([("columns", columns), ("forest", RandomForestClassifier(random_state=seed, **FOREST))])


def to_onnx_bytes(pipeline: Pipeline) -> bytes:
    """The forest of a trained pipeline, taking float32 of shape [rows, 54] in the order of FEATURE_COLUMNS.

    One-hot encoding stays outside: two dictionary look-ups in the service are cheaper than string tensors.
    """
    forest = pipeline.named_steps["forest"]
    example = np.zeros((1, len(FEATURE_COLUMNS)), dtype=np.float32)
    model = to_onnx(forest, example, options={id(forest): {"zipmap": False}})
    _drop_idle_values(model)
    return model.SerializeToString()


def _drop_idle_values(model: onnx.ModelProto) -> None:
    """Remove what does not change any prediction: votes of zero, and two optional lists that hold only defaults.

    Most leaves know few of the seven classes, so this halves the file, and the memory of a session with it.
    """
    (node,) = (node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier")
    attributes = {attribute.name: attribute for attribute in node.attribute}
    for name in ("nodes_hitrates", "nodes_missing_value_tracks_true"):
        node.attribute.remove(attributes[name])
    weights = attributes["class_weights"].floats
    votes = [index for index, weight in enumerate(weights) if weight != 0]
    for name in ("class_ids", "class_nodeids", "class_treeids"):
        values = attributes[name].ints
        values[:] = [values[index] for index in votes]
    weights[:] = [weights[index] for index in votes]


def onnx_predict(content: bytes, pipeline: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """Classes that an ONNX file gives for rows prepared by the pipeline; shape [len(rows)]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    features = pipeline.named_steps["columns"].transform(rows).astype(np.float32)
    return session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: features})[0]
