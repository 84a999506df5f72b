#!/usr/bin/python
"""Ansible module: what the lab's Swarm manager runs, and what that is made of."""

from __future__ import annotations

import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_command import TIMED_OUT, no_answer, run_docker
from ansible.module_utils.haproxy_stats import HaproxyError, ask

DOCUMENTATION = r"""
module: lab_stack_facts
short_description: Versions, images and model of a provisioned lab
description:
  - Fails, with the command that mends it, when the lab's stack or the image of the API is not there.
options:
  lab_name: {description: Name of the lab., type: str, required: true}
  image: {description: Image of the API., type: str, required: true}
  haproxy_socket: {description: HAProxy's statistics socket., type: path, required: true}
author: [swarmsweep]
"""

EXAMPLES = r"""
- lab_stack_facts:
    lab_name: lab
    image: swarmsweep/api:0123
    haproxy_socket: /opt/swarmsweep/run/lab-haproxy/haproxy.sock
"""

RETURN = r"""
versions: {description: Versions of the engine and of HAProxy., type: dict, returned: always}
images: {description: Service -> image and its id., type: dict, returned: always}
model: {description: What the training said of the champion., type: dict, returned: always}
"""

MEND = "Mend it: ansible-playbook site.yml"


def main():
    module = AnsibleModule(
        argument_spec={
            "lab_name": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "haproxy_socket": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    lab, image = module.params["lab_name"], module.params["image"]

    def docker(*arguments):
        """Output of a docker command, or None when it fails."""
        code, out, _err = run_docker(module, list(arguments))
        if code in TIMED_OUT:
            module.fail_json(msg=no_answer(list(arguments)))
        return out.strip() if code == 0 else None

    engine = docker("version", "--format", "{{.Server.Version}}")
    if engine is None:
        module.fail_json(msg=f"Docker does not answer on this host. {MEND}")
    listed = docker("service", "ls", "--format", "{{.Name}} {{.Image}}") or ""
    services = dict(line.split(" ", 1) for line in listed.splitlines())
    platform = {
        name.removeprefix(f"{lab}_platform_"): image
        for name, image in services.items()
        if name.startswith(f"{lab}_platform_")
    }
    missing = sorted({"postgres", "mlflow", "proxy"} - set(platform))
    if missing:
        module.fail_json(msg=f"the lab's stack lacks {', '.join(missing)}. {MEND}")
    images = {}
    for name, reference in {**platform, "api": image}.items():
        identity = docker("image", "inspect", "--format", "{{.Id}}", reference)
        if identity is None:
            mend = MEND if name != "api" or reference.startswith("swarmsweep/") else f"Mend it: docker pull {reference}"
            module.fail_json(msg=f"this host has no image {reference} (for {name}). {mend}")
        images[name] = f"{reference} {identity}"
    try:
        about = ask(module.params["haproxy_socket"], "show info", 5)
    except HaproxyError as error:
        module.fail_json(msg=f"{error}. {MEND}")
    haproxy = dict(line.split(": ", 1) for line in about.splitlines() if ": " in line).get("Version", "unknown")
    jobs = [name for name in services if name.startswith(f"{lab}_train_")]
    made = docker("service", "inspect", "--format", "{{json .CreatedAt}} {{.Spec.Name}}", *jobs) if jobs else None
    model = {}
    # The newest job last: its words stand.
    for line in sorted((made or "").splitlines()):
        for said in (docker("service", "logs", "--raw", "--tail", "20", line.split()[-1]) or "").splitlines():
            if said.startswith('{"status"'):
                model = json.loads(said)
    module.exit_json(changed=False, versions={"docker": engine, "haproxy": haproxy}, images=images, model=model)


if __name__ == "__main__":
    main()
