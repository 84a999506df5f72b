"""The one list of secret names, and what it masks in text, arguments and stack files."""

from __future__ import annotations

import json
import time

import pytest
from ansible.module_utils import lab_secrets


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("POSTGRES_PASSWORD", True),
        ("passwd", True),
        ("ansible_become_pass", True),
        ("DB_PASS", True),
        ("PASSPHRASE", True),
        ("MYSQL_PWD", True),
        ("FTP_PW", True),
        ("AUTH", True),
        ("proxy-authorization", True),
        ("AWS_CREDENTIALS", True),
        ("private_key_file", True),
        ("github_token", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("apikey", True),
        ("X-Amz-Signature", True),
        ("SESSION_COOKIE", True),
        ("KEYBOARD", True),  # one too many, on purpose
        ("API_WORKERS", False),
        ("WEB_CONCURRENCY", False),
        ("MLFLOW_TRACKING_URI", False),
        ("UPWARD", False),
    ],
)
def test_secret_names(name, secret):
    assert lab_secrets.is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("API_WORKERS", "2", "2"),
        ("POSTGRES_PASSWORD", "hunter2", "***"),
        ("DB_PASS", "hunter2", "***"),
        ("API_KEY", "", ""),
        ("STORE", "postgresql://mlflow:hunter2@postgres:5432/mlflow", "postgresql://***@postgres:5432/mlflow"),
        ("STORE", "postgresql://mlflow:hun@/ter2@postgres:5432/mlflow", "postgresql://***@postgres:5432/mlflow"),
        ("SENTRY_DSN", "https://hunter2@sentry.example.org/1", "https://***@sentry.example.org/1"),
        ("DATA", "https://s3/x.csv?X-Amz-Signature=hunter2", "https://s3/x.csv?***"),
        ("DATA", "https://s3/x.csv#access_token=hunter2", "https://s3/x.csv#***"),
        ("DSN", "host=db user=me password=hunter2 port=5432", "host=db user=me password=*** port=5432"),
        ("ODBC", "Server=db;Pwd=hun;ter2;Port=1", "Server=db;Pwd=***"),
        ("SETTINGS", '{"port": 1, "api_key": "hunter2"}', '{"port": 1, "api_key": "***"}'),
        ("SETTINGS", '{"a": "{\\"token\\": \\"hunter2\\"}"}', '{"a": "{\\"token\\": \\"***\\"}"}'),
        ("HEADERS", "Authorization: Bearer hunter2", "Authorization: ***"),
        ("OPTIONS", "--api-key hunter2 --port 1", "--api-key *** --port 1"),
        ("MLFLOW_TRACKING_URI", "http://mlflow:5000", "http://mlflow:5000"),
        ("LARGE", "x" * 20000, "***"),
    ],
)
def test_mask_entry(name, value, stored):
    assert lab_secrets.mask_entry(name, value) == stored


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (["serve", "--port", "8000"], ["serve", "--port", "8000"]),
        (["serve", "--password", "hunter2", "x"], ["serve", "--password", "***", "x"]),
        (["serve", "--password=hunter2"], ["serve", "--password=***"]),
        (["serve", "--no-auth", "--port", "1"], ["serve", "--no-auth", "--port", "1"]),
        (["sh", "-c", "DB_PASS=hunter2 exec serve"], ["sh", "-c", "DB_PASS=*** exec serve"]),
        (["redis://:hunter2@redis"], ["redis://***@redis"]),
        ([], []),
    ],
)
def test_mask_words(words, stored):
    assert lab_secrets.mask_words(words) == stored


def test_mask_stack_masks_environment_and_command_and_nothing_else():
    stack = """\
version: "3.8"
services:
  api:
    image: "my-api:1"
    command: ["serve", "--token", "hunter2"]
    environment: {"A": "1$$x", "DB_PASS": "hunter2", "URL": "http://me:hunter2@host"}
    secrets:
      - {source: postgres, target: postgres_password, uid: "10001"}
"""
    masked = lab_secrets.mask_stack(stack)
    assert "hunter2" not in masked
    assert masked.splitlines()[5] == '    environment: {"A": "1$$x", "DB_PASS": "***", "URL": "http://***@host"}'
    lines = (stack.splitlines(), masked.splitlines())
    assert [number for number, (old, new) in enumerate(zip(*lines, strict=True)) if old != new] == [4, 5]


def test_an_environment_that_cannot_be_read_is_masked_whole():
    assert json.loads(lab_secrets.mask_stack("  environment: {a: hunter2}\n").split(": ", 1)[1]) == "***"


@pytest.mark.parametrize("piece", ["key", "://", "token.", '"key":"', "--key ", "\\'\"pass="])
def test_hostile_text_takes_no_more_than_a_moment(piece):
    """Processor time, not wall time: a pattern that backtracks takes minutes for this much text."""
    before = time.process_time()
    lab_secrets.mask_text((piece * 16384)[:16384])
    assert time.process_time() - before < 20
