"""Why the API cannot run as the inventory configures it, in one sentence with the setting that helps."""

from collections.abc import Mapping
from typing import Any

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, settings_of

# Deploys the API and HAProxy with the settings of the inventory, in less time than all of `./lab site`.
DEPLOY = "./lab site --tags api"

# The settings to check, by Docker's reason. The value is given where it is part of the cause.
_HELP = {
    "oom": "raise lab_api_memory ({memory})",
    # As with `docker run` an image may need another command or user, or write into its own file system.
    "crash": (
        "read its log with ./lab logs api. Then check lab_api_image, lab_api_command, lab_api_env, lab_api_user, "
        "lab_api_read_only and lab_api_memory"
    ),
    "rejected": "check lab_api_image ({image}), lab_api_cpus ({cpus}) and lab_api_memory ({memory})",
    "not_ready": (
        "check lab_api_ready_path ({ready_path}) and lab_api_port ({port}), or raise "
        "lab_api_ready_timeout_seconds ({ready_timeout_seconds})"
    ),
}
_NO_IMAGE = "no such image"
# Settings of an API of the user's that the lab's own API does not need.
_OWN = ("lab_api_port", "lab_api_ready_path", "lab_api_command")
# Parts of Docker's message, and what helps then.
_WORDS = {
    _NO_IMAGE: "copy the image with ./lab image {image}, or set another lab_api_image",
    # What HAProxy's check got, and will get again (see plugins/module_utils/ready_check.py).
    "got status 400": "set lab_api_ready_host to a name that the API accepts",
    "got status 401": "set lab_api_ready_path to a path without a login",
    "got status 403": "set lab_api_ready_path to a path without a login",
    "got status 404": "set lab_api_ready_path to a path that the API has",
    "got status 405": "set lab_api_ready_path to a path that allows GET",
    "got status 500": (
        "read its error with ./lab logs api. If the API may not write a file, add the folder to lab_api_writable"
    ),
    "; lab_api_port is": "set lab_api_port to the port that the API listens on",
    "must listen on 0.0.0.0": "change the address in the image, in lab_api_env or in lab_api_command",
    # The command of a base image for Python is an interpreter, which ends at once without a terminal.
    "exited with code 0 ": "set lab_api_command to the command that starts the API",
    # An image without CMD and ENTRYPOINT, as people build one whose command they give to `docker run`.
    "no command specified": "set lab_api_command to the command that starts the API",
    "range of cpus": "lower lab_api_cpus ({cpus})",
    # Docker gave no message on the failed replica: its log shows which of the usual causes it was.
    "rolled the update back, so the previous replicas keep running": (
        "run docker service ps --no-trunc {service} on the API host, to see why the new replicas died or were not "
        "healthy. Then check lab_api_memory ({memory}), lab_api_image and lab_api_env"
    ),
}


def kept_sentence(
    result: Mapping[str, Any],
    settings: Mapping[str, Any],
    summary: str | None = None,
    inventory: str = DEFAULT_INVENTORY,
) -> str:
    """The sentence for the last task that failed.

    ``result`` is what its module returned: ``msg``, and of `swarm_stack_converged` also ``services``, each with
    ``reason_code`` and ``reason``. ``settings`` are the lab_api_* of the inventory, without that prefix.
    ``summary`` is the path of the summary, which a sweep has already written. ``inventory`` is its folder or file.
    """
    code, reason = _cause(result)
    # The help for a known cause fits better than the help for Docker's error code.
    known = _HELP.get(code or "", "")
    help_text = next((fix for words, fix in _WORDS.items() if _says(reason, words)), known)
    if _NO_IMAGE in reason.lower() and not settings.get("image"):
        # No setting of the inventory names the lab's own image. `./lab site` builds it.
        help_text = ""
    values = {name: value if value not in ("", None) else "empty" for name, value in settings.items()}
    values["service"] = reason.partition(":")[0]
    fix = (
        f"{help_text.format_map(values)}. The settings are in {settings_of(inventory)}. Then run: {DEPLOY}"
        if help_text
        else "./lab site"
    )
    # Somebody has described an API of their own, and not brought it yet.
    other = ""
    if not settings.get("image") and any(name in help_text for name in _OWN):
        other = (
            " lab_api_image is empty, so this is the API that comes with swarmsweep. "
            "To run an API of your own, use ./lab image NAME|FOLDER."
        )
    text = f"The API cannot run with the settings of the inventory. Reason: {reason}.{other} Fix: {fix}"
    return f"{text}. The summary of the sweep has already been written: {summary}" if summary else text


def setting_that_helps(reason: str) -> str | None:
    """What to set in the inventory if a replica did not start for this reason. None where its size may be the cause."""
    return next((fix for words, fix in _WORDS.items() if _says(reason, words) and "{" not in fix), None)


def _says(reason: str, words: str) -> bool:
    """Whether Docker's message contains the text. After a rollback, the culprit's reason may follow the message."""
    return reason.lower().endswith(words) if words.startswith("rolled") else words in reason.lower()


def _cause(result: Mapping[str, Any]) -> tuple[str | None, str]:
    for service in result.get("services") or []:
        if service.get("reason"):
            return service.get("reason_code"), service["reason"]
    lines = str(result.get("msg") or "no reason given").strip().splitlines()
    # Of several lines, the first says only what the task waited for.
    reason = next((line.strip() for line in lines[1:] if line.strip()), lines[0]) if lines else "no reason given"
    is_late = "servers of the backend" in reason or bool(result.get("services"))
    return ("not_ready" if is_late else None), reason
