#!/usr/bin/python
"""Ansible module: list or remove old images, build cache and build contexts of an API host."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_command import DEADLINE_SECONDS, TIMED_OUT, no_response, run_docker
from ansible.module_utils.old_images import DAY_SECONDS, old_images

DOCUMENTATION = r"""
module: lab_leftovers
short_description: List or remove old images, build cache and build contexts of an API host
description:
  - Only images that the lab made are removed. Images of containers, and those in O(needed), stay.
  - The build cache belongs to no image. So it is left alone unless O(build_cache) is true.
options:
  days: {description: What was last used or built fewer days ago stays., type: int, required: true}
  needed: {description: Names of images that stay., type: list, elements: str, default: []}
  build_cache: {description: Whether Docker's build cache is the lab's., type: bool, default: false}
  build_directory: {description: Folder of the build contexts., type: path, default: /opt/swarmsweep/build}
  registry:
    description: Address of the lab's own registry, as C(ADDRESS:PORT). The names of an image there are removed with it.
    type: str
    default: ""
  remove: {description: Remove what is listed. Otherwise nothing is changed., type: bool, default: false}
author: [swarmsweep]
"""

EXAMPLES = r"""
- lab_leftovers:
    days: 30
    needed: [swarmsweep/api:0123, own-api:1]
"""

RETURN = r"""
images: {description: Each image with name, id, bytes and age_days., type: list, elements: dict, returned: always}
contexts: {description: Each build context with name and bytes., type: list, elements: dict, returned: always}
cache: {description: Size of the build cache as Docker prints it. Empty without one., type: str, returned: always}
kept:
  description: Images that Docker did not remove, each with its reason.
  type: list
  elements: str
  returned: always
"""

# Removing gigabytes takes time on a slow disk.
REMOVE_SECONDS = 600


def ask(module, *arguments, deadline_seconds=DEADLINE_SECONDS):
    """Return exit code, output and errors of a docker command. The module fails if Docker does not respond."""
    try:
        code, out, err = run_docker(module, list(arguments), deadline_seconds)
    except OSError as error:
        module.fail_json(msg=f"docker cannot be run on this host: {error}. Fix: ./lab site", next_command="./lab site")
    if code in TIMED_OUT:
        module.fail_json(msg=no_response(list(arguments), deadline_seconds))
    return code, out.strip(), err.strip()


def must(module, *arguments):
    """Return the output of a docker command that cannot fail."""
    code, out, err = ask(module, *arguments)
    if code != 0:
        module.fail_json(
            msg=f"docker {' '.join(arguments[:2])} failed on this host: {err[-300:] or f'exit code {code}'}"
        )
    return out


def find_images(module, needed, days, registry):
    """Return the old images that are the lab's own."""
    ids = list(dict.fromkeys(must(module, "image", "ls", "--quiet", "--no-trunc").split()))
    containers = must(module, "ps", "--all", "--quiet", "--no-trunc").split()
    used = must(module, "inspect", "--format", "{{.Image}}", *containers).split() if containers else []
    documents = json.loads(must(module, "image", "inspect", *ids)) if ids else []
    return old_images(documents, set(used), set(needed), time.time(), days, registry)


def cache_size(module):
    """Return the size of the build cache as Docker prints it, or an empty text where it is empty or unknown."""
    code, out, _err = ask(module, "system", "df", "--format", "{{.Type}}|{{.Size}}")
    sizes = dict(line.split("|", 1) for line in out.splitlines() if "|" in line) if code == 0 else {}
    size = sizes.get("Build Cache", "")
    return "" if size in ("0B", "0") else size


def find_contexts(folder, days):
    """Return the old archives of build contexts. An image is built from a new archive."""
    old = time.time() - days * DAY_SECONDS
    paths = [path for path in sorted(Path(folder).glob("*.tar.gz")) if path.is_file() and not path.is_symlink()]
    return [{"name": str(path), "bytes": path.stat().st_size} for path in paths if path.stat().st_mtime <= old]


def main():
    module = AnsibleModule(
        argument_spec={
            "days": {"type": "int", "required": True},
            "needed": {"type": "list", "elements": "str", "default": []},
            "build_cache": {"type": "bool", "default": False},
            "build_directory": {"type": "path", "default": "/opt/swarmsweep/build"},
            "registry": {"type": "str", "default": ""},
            "remove": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    days, kept = params["days"], []
    images = find_images(module, params["needed"], days, params["registry"])
    contexts = find_contexts(params["build_directory"], days)
    cache = cache_size(module) if params["build_cache"] else ""
    if params["remove"] and not module.check_mode:
        # With the last tag of a repository, Docker removes its digests too.
        for image in sorted(images, key=lambda image: "@" not in image["name"]):
            code, _out, err = ask(module, "image", "rm", image["name"], deadline_seconds=REMOVE_SECONDS)
            if code != 0:
                images.remove(image)
                kept.append(f"{image['name']}: {err.splitlines()[-1] if err else f'exit code {code}'}")
        for context in contexts:
            Path(context["name"]).unlink(missing_ok=True)
        if cache:
            age = f"until={days * 24}h"
            code, out, err = ask(
                module, "builder", "prune", "--all", "--force", "--filter", age, deadline_seconds=REMOVE_SECONDS
            )
            # Docker's last line has the total.
            last = (out.splitlines() or [""])[-1]
            if code == 0:
                cache = last.rpartition(":")[2].strip() if ":" in last else ""
            else:
                kept.append(f"build cache: {err[-300:] or f'exit code {code}'}")
                cache = ""
    changed = params["remove"] and bool(images or contexts or cache)
    module.exit_json(changed=changed, images=images, contexts=contexts, cache=cache, kept=kept)


if __name__ == "__main__":
    main()
