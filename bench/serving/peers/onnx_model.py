"""The session that every peer with the ONNX file uses: that of the API itself, with the same options."""

import os
from pathlib import Path

from covertype_api.predictor import OnnxPredictor
from covertype_api.schema import FEATURE_COLUMNS


def load() -> OnnxPredictor:
    """The model in the folder that BENCH_ONNX names."""
    return OnnxPredictor(Path(os.environ["BENCH_ONNX"]), len(FEATURE_COLUMNS))
