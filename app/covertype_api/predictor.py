"""From prepared rows to classes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from covertype_api.model_source import ONNX_FILE

if TYPE_CHECKING:
    import numpy as np

SKOPS_FILE = "model.skops"
# Types that skops may build besides numpy's and scikit-learn's estimators: the trees of a forest.
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]


class Predictor(Protocol):
    """Predicts classes 1 to 7 for what ``prepares`` (of `parts.ENCODERS`) makes of rows."""

    prepares: ClassVar[str]

    def predict(self, prepared: Any) -> list[int]: ...


class OnnxPredictor:
    """Runs an ONNX classifier on the calling thread.

    One thread without spinning: a row takes about five microseconds, less than handing it to another thread, and
    threads that spin would burn the CPU quota of the container.

    Raises:
        ValueError: the model does not take float32 of shape [rows, width].
    """

    prepares = "matrix"

    def __init__(self, folder: Path, width: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The arena keeps what it once took; single rows need next to nothing.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        content = (folder / ONNX_FILE).read_bytes()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        (model_input,) = session.get_inputs()
        if model_input.type != "tensor(float)" or model_input.shape[1:] != [width]:
            raise ValueError(
                f"the model takes {model_input.type} {model_input.shape}, but feature_columns names {width} columns"
            )
        self._run = session.run
        self._input = model_input.name
        self._outputs = [session.get_outputs()[0].name]

    def predict(self, prepared: "np.ndarray") -> list[int]:
        """Classes for float32 features of shape [rows, width]."""
        return self._run(self._outputs, {self._input: prepared})[0].tolist()


class SklearnPredictor:
    """Runs the forest of the registered pipeline on the calling thread, without the pipeline's preparing.

    Raises:
        ValueError: the forest does not take ``width`` columns.
    """

    prepares = "matrix"

    def __init__(self, folder: Path, width: int) -> None:
        import sklearn
        import skops.io

        # Rows are checked already, and a check by scikit-learn costs more than some of its trees.
        sklearn.set_config(assume_finite=True)
        forest = skops.io.load(folder / SKOPS_FILE, trusted=TRUSTED_TYPES).named_steps["forest"]
        if forest.n_features_in_ != width:
            raise ValueError(f"the forest takes {forest.n_features_in_} columns, but feature_columns names {width}")
        forest.n_jobs = 1
        self._forest = forest

    def predict(self, prepared: "np.ndarray") -> list[int]:
        """Classes for float32 features of shape [rows, width]."""
        return self._forest.predict(prepared).tolist()


class PyfuncPredictor:
    """Runs the registered pipeline as MLflow does for any model: with its checks of the signature."""

    prepares = "frame"

    def __init__(self, folder: Path, width: int) -> None:
        import mlflow.pyfunc

        self._model = mlflow.pyfunc.load_model(str(folder))

    def predict(self, prepared: Any) -> list[int]:
        """Classes for a DataFrame with the raw columns."""
        return [int(value) for value in self._model.predict(prepared)]
