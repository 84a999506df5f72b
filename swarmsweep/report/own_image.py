"""Which parts of manifest.json the page shows where every cell has an image of the user.

The lab's own model, and the images that only the lab's own API uses, are then on the hosts, but not in what was
measured. manifest.json still has them.
"""

from typing import Any

from swarmsweep.plan.planned import Plan

# Services of the lab that an image of the user reaches only with lab_api_platform.
_PLATFORM_IMAGES = frozenset({"mlflow", "postgres", "redis"})
# The lab's own API. With lab_api_image, "api" is the image of the user.
_LAB_IMAGES = frozenset({"api", "api_full"})
# Settings that do nothing where they are empty, or that the lab's own API alone reads.
_OPTIONAL = frozenset({"lab_api_writable", "lab_api_capabilities", "lab_api_secret_env"})
_LAB_SETTINGS = frozenset({"lab_api_variant"})
# What an empty setting means for an image of the user.
_EMPTY = {
    "lab_api_command": "(that of the image)",
    "lab_api_user": "(that of the image)",
    "lab_api_workers_env": "(the image decides)",
}


def of_own_image(manifest: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The manifest as the page shows it; unchanged where a cell has the lab's own API, or where it is damaged."""
    settings = manifest.get("api")
    if not isinstance(settings, dict):
        return manifest
    image = settings.get("lab_api_image")
    if not (image or all(cell.config.get("image") for cell in plan.cells)):
        return manifest
    shown = manifest | {"api": _settings(settings)}
    images = manifest.get("images")
    has_platform = settings.get("lab_api_platform") is True
    unused = (frozenset() if has_platform else _PLATFORM_IMAGES) | (frozenset() if image else _LAB_IMAGES)
    if isinstance(images, dict):
        shown["images"] = {name: value for name, value in images.items() if name not in unused}
    if not has_platform:
        shown.pop("model", None)
    return shown


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that apply: of the image, its command, its user, its mounts and so on."""
    return {
        name: _EMPTY.get(name, value) if value == "" else value
        for name, value in settings.items()
        if name not in _LAB_SETTINGS and not (name in _OPTIONAL and not value)
    }
