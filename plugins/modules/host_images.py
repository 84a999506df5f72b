#!/usr/bin/python
"""Ansible module: make sure that a host has the images that are to run on it."""

from __future__ import annotations

import json
import re
import uuid

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_command import DEADLINE_SECONDS, TIMED_OUT, no_response, run_docker

DOCUMENTATION = r"""
module: host_images
short_description: Make sure that a host has the images that are to run on it
description:
  - Docker never pulls an image of the measured API. Without this check, Swarm rejects each of its replicas.
  - The module fails if an image is missing. Its message has the host and the command that copies the image.
  - A host on which Docker does not respond is not checked. It may be installed later.
options:
  images:
    description: Images that the host must have, each with the setting that names it.
    type: dict
    required: true
  host_name: {description: Name of this host in the inventory, and its address., type: str, required: true}
  required:
    description: Whether the module fails if an image is missing. Otherwise the id of that image is empty.
    type: bool
    default: true
  need_shell:
    description: Images that must have C(sh) and C(cat), because C(lab_api_secret_env) exports secrets by them.
      Each of them is started once, without network and rights, with little memory, and for at most 30 s.
    type: list
    elements: str
    default: []
author: [swarmsweep]
"""

EXAMPLES = r"""
- host_images:
    images: {own-api:1: lab_api_image}
    host_name: lab-api (192.0.2.1)
"""

RETURN = r"""
docker: {description: Whether Docker responds on the host., type: bool, returned: always}
ids: {description: The id of each image on this host., type: dict, returned: when Docker responds}
digests:
  description: What Docker knows of each image in registries, as NAME@DIGEST.
  type: dict
  returned: when Docker responds
"""


# The image is foreign, and its sh may be any program. So it gets no network, no rights, and little memory, processes
# and log. A shell needs less than 5 MB.
LIMITS = (
    *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--no-healthcheck"),
    *("--memory=64m", "--memory-swap=64m", "--pids-limit=16"),
    *("--log-driver=json-file", "--log-opt=max-size=64k"),
)
# Id and digests of an image.
FOUND = "{{.Id}} {{json .RepoDigests}}"
# Seconds for sh to end. On a busy host, it takes about one.
SHELL_SECONDS = 30
# Newer versions of docker end each error with this line.
HELP = re.compile(r"(?:See|Run) 'docker run --help'")
# Of a line that the image printed.
MAX_CHARACTERS = 300


def ask(module, *arguments, deadline_seconds=DEADLINE_SECONDS):
    """Return exit code, output and errors of a docker command. The module fails if Docker does not respond."""
    try:
        code, out, err = run_docker(module, list(arguments), deadline_seconds)
    except OSError:
        return 127, "", ""
    if code in TIMED_OUT:
        module.fail_json(msg=no_response(list(arguments), deadline_seconds))
    return code, out.strip(), err.strip()


def shell_problem(module, image):
    """Return why sh and cat of an image cannot run, or None if they can."""
    name = f"swarmsweep-shell-{uuid.uuid4().hex}"
    words = ["--detach", f"--name={name}", "--pull=never", *LIMITS, "--entrypoint=sh", "--", image]
    try:
        # Exit code 127: the image has no such program.
        code, _out, err = ask(module, "run", *words, "-c", "cat /dev/null")
        if code == 0:
            waited, code, _err = run_docker(module, ["wait", name], SHELL_SECONDS)
            if waited in TIMED_OUT:
                return f"not ended after {SHELL_SECONDS} s"
            if waited == 0 and code.strip() == "0":
                return None
            code = code.strip() or waited
            _code, out, err = ask(module, "logs", "--tail=5", name)
            err = err or out
        lines = [line.strip() for line in err.splitlines() if line.strip() and not HELP.match(line.strip())]
        return lines[-1][:MAX_CHARACTERS] if lines else f"exit code {code}"
    finally:
        ask(module, "rm", "--force", "--volumes", name)


def main():
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "host_name": {"type": "str", "required": True},
            "required": {"type": "bool", "default": True},
            "need_shell": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    if ask(module, "version")[0] != 0:
        module.exit_json(changed=False, docker=False)
    problems, ids, digests = [], {}, {}
    for image, setting in params["images"].items():
        code, found, _err = ask(module, "image", "inspect", "--format", FOUND, "--", image)
        ids[image], _, listed = found.partition(" ")
        digests[image] = json.loads(listed or "null") or []
        if code != 0 and params["required"]:
            problems.append(
                f"{params['host_name']} has no image {image}, which {setting} names. "
                f"Copy it with: ./lab image {image} --copy-only"
            )
        elif code == 0 and image in params["need_shell"] and (problem := shell_problem(module, image)) is not None:
            problems.append(
                f"{params['host_name']}: the image {image}, which {setting} names, cannot run sh and cat "
                f"({problem}). lab_api_secret_env needs them. "
                "Fix: add them to the image. Or remove lab_api_secret_env, and let the API read the file "
                "whose path is in the variable NAME_FILE"
            )
    if problems:
        module.fail_json(msg="\n".join(problems))
    module.exit_json(changed=False, docker=True, ids=ids, digests=digests)


if __name__ == "__main__":
    main()
