"""Forest cover type predictions over HTTP."""

import os

# ONNX Runtime's Linux wheels send usage data to their maker from the moment they are imported, on threads of their own.
# Only this variable turns all of it off, and only when it is set before that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
