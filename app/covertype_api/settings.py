"""Settings of the service, read from the environment once at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the variable, the bad value and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """Where the model and the column names come from, and which variant of the service runs."""

    mlflow_tracking_uri: str = "http://mlflow:5000"
    model_name: str = "covertype"
    model_alias: str = "champion"
    postgres_host: str = "postgres"
    postgres_port: int = 5432
    postgres_db: str = "covertype"
    postgres_user: str = "covertype"
    postgres_password_file: Path = Path("/run/secrets/postgres_password")
    redis_host: str = "redis"
    redis_port: int = 6379
    redis_password_file: Path = Path("/run/secrets/redis_password")
    # A preset of variants.py; the others override single choices of it.
    api_variant: str = "onnx"
    api_connections: str = ""
    api_columns: str = ""
    api_model: str = ""
    api_predictor: str = ""
    api_decoder: str = ""
    api_logging: str = ""
    api_batching: str = ""
    # A micro-batch waits this long for more rows (milliseconds), and goes at once when it has this many.
    batch_wait_ms: int = 1
    batch_max_rows: int = 64
    web_concurrency: int = 1
    port: int = 8000
    # After SIGTERM, seconds in which requests are still served while /ready already refuses: a proxy needs them to
    # notice. 0 where no proxy checks.
    drain_seconds: int = 0
    # CPUs that this replica may use; 0: read from the kernel.
    cpu_limit: int = 0

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Settings from variables named like the fields in capitals (``POSTGRES_HOST``); empty ones keep the default.

        Raises:
            SettingsError: a number is not a number or out of range, or the tracking URI is not HTTP.
        """
        values: dict[str, object] = {}
        for name, default in cls.__dataclass_fields__.items():
            text = env.get(name.upper(), "")
            if not text:
                continue
            least = min(default.default, 1) if default.type is int else None
            values[name] = default.type(text) if least is None else _number(name.upper(), text, least)
        settings = cls(**values)
        if not settings.mlflow_tracking_uri.startswith(("http://", "https://")):
            raise SettingsError(f"MLFLOW_TRACKING_URI is {settings.mlflow_tracking_uri!r}: give http://host:port")
        return settings

    def postgres_password(self) -> str:
        """The password, read anew from its file at each call, so that a secret mounted late is found."""
        return self.postgres_password_file.read_text(encoding="utf-8").rstrip("\r\n")

    def redis_password(self) -> str:
        """As `postgres_password`."""
        return self.redis_password_file.read_text(encoding="utf-8").rstrip("\r\n")


def _number(name: str, text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= 65535:
        raise SettingsError(f"{name} is {text!r}: give a whole number from {least} to 65535")
    return int(text)
