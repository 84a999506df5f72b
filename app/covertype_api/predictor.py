"""From a matrix to classes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class OnnxPredictor:
    """Runs an ONNX classifier on the calling thread.

    One thread without spinning: a row takes about ten microseconds, less than handing it to another thread, and
    threads that spin would burn the CPU quota of the container.

    Raises:
        ValueError: the model does not take float32 of shape [rows, width].
    """

    def __init__(self, content: bytes, width: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The arena keeps what it once took; single rows need next to nothing.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        (model_input,) = session.get_inputs()
        if model_input.type != "tensor(float)" or model_input.shape[1:] != [width]:
            raise ValueError(
                f"the model takes {model_input.type} {model_input.shape}, but feature_columns names {width} columns"
            )
        self._run = session.run
        self._input = model_input.name
        self._outputs = [session.get_outputs()[0].name]

    def predict(self, features: "np.ndarray") -> list[int]:
        """Classes 1 to 7 for float32 features of shape [rows, width]."""
        return self._run(self._outputs, {self._input: features})[0].tolist()
