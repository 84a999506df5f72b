#!/usr/bin/python
"""Ansible module: make sure that a host has the images that are to run on it."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_command import TIMED_OUT, no_response, run_docker

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
  need_shell:
    description: Images that must have C(sh) and C(cat), because C(lab_api_secret_env) exports secrets by them.
      Each of them is started once, without network and without rights.
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
"""


# Exit codes of docker run: 127 if the image has no such program, and that of the shell otherwise.
SHELL = ["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--entrypoint=sh", "--"]


def main():
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "host_name": {"type": "str", "required": True},
            "need_shell": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        code, _out, _err = run_docker(module, ["version"])
    except OSError:
        code = 127
    if code in TIMED_OUT:
        module.fail_json(msg=no_response(["version"]))
    if code != 0:
        module.exit_json(changed=False, docker=False)
    problems, ids = [], {}
    for image, setting in params["images"].items():
        question = ["image", "inspect", "--format", "{{.Id}}", "--", image]
        code, out, _err = run_docker(module, question)
        if code in TIMED_OUT:
            module.fail_json(msg=no_response(question))
        if code != 0:
            problems.append(
                f"{params['host_name']} has no image {image}, which {setting} names. "
                f"Copy it with: ./lab image {image} --copy-only"
            )
        elif image in params["need_shell"]:
            code, _out, err = run_docker(module, [*SHELL, image, "-c", "cat /dev/null"])
            if code in TIMED_OUT:
                module.fail_json(msg=no_response(SHELL))
            if code != 0:
                problems.append(
                    f"{params['host_name']}: the image {image}, which {setting} names, cannot run sh and cat "
                    f"({(err.strip() or f'exit code {code}').splitlines()[-1]}). lab_api_secret_env needs them. "
                    "Fix: add them to the image, or remove lab_api_secret_env and read the file that NAME_FILE names"
                )
        ids[image] = out.strip()
    if problems:
        module.fail_json(msg="\n".join(problems))
    module.exit_json(changed=False, docker=True, ids=ids)


if __name__ == "__main__":
    main()
