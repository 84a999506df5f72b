#!/usr/bin/python
"""Ansible module: report what the lab's Swarm manager runs, and its versions, images and model."""

from __future__ import annotations

import base64
import binascii
import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_command import TIMED_OUT, no_response, run_docker
from ansible.module_utils.haproxy_config import differences, read_ready_check
from ansible.module_utils.haproxy_stats import HaproxyError, send_command
from ansible.module_utils.model_registry import MODEL, RegistryError, look_up
from ansible.module_utils.ready_check import ARGUMENT as READY_CHECK
from ansible.module_utils.ready_check import ReadyCheck

DOCUMENTATION = r"""
module: lab_stack_facts
short_description: Report the versions, images and model of a provisioned lab
description:
  - The module fails if the lab's stack or an image of the API is missing. Its message has the command that fixes it.
  - It reports where HAProxy connects to another port than I(ready_check), or requests another path or host there. Until
    HAProxy is deployed again, no replica would become ready.
  - Then it fails if one of I(platform_images) is missing, because HAProxy could not be deployed.
options:
  lab_name: {description: Name of the lab., type: str, required: true}
  images:
    description: Images that the API may run in, by name. If the user gave an image, it is the only one, under the
      name C(api).
    type: dict
    required: true
  axis_images:
    description: Images that cells of a sweep name. One that this host does not have is reported as null, because only
      its cells fail.
    type: list
    elements: str
    default: []
  platform_images:
    description: Images of the platform in this version of the lab. An earlier version may have provisioned the host.
    type: list
    elements: str
    default: []
  haproxy_socket: {description: HAProxy's statistics socket., type: path, required: true}
  ready_check:
    description: What HAProxy must request of each replica, by the settings of the inventory.
    type: dict
    required: true
    suboptions:
      port: {description: Port of the API in its container., type: int, required: true}
      path: {description: Path that returns 200 only when the API can predict., type: str, required: true}
      host: {description: Value of the header Host., type: str, required: true}
author: [swarmsweep]
"""

EXAMPLES = r"""
- lab_stack_facts:
    lab_name: lab
    images: {api: swarmsweep/api:0123, api_full: swarmsweep/mlflow:4567}
    haproxy_socket: /opt/swarmsweep/run/lab-haproxy/haproxy.sock
    ready_check: {port: 8000, path: /ready, host: api}
"""

RETURN = r"""
versions: {description: Versions of the engine and of HAProxy., type: dict, returned: always}
images:
  description: The image and its id, by service of the platform or by name of the API's image.
  type: dict
  returned: always
axis_images: {description: The id of each of O(axis_images), or null., type: dict, returned: always}
proxy_connections:
  description: Connections that HAProxy accepts. Null if it does not say.
  type: int
  returned: always
haproxy_config:
  description: Name of HAProxy's configuration. It ends in a hash of the content.
  type: str
  returned: always
stale:
  description: One text for each setting that HAProxy does not have as I(ready_check) has it.
  type: list
  elements: str
  returned: always
model:
  description: The champion with its figures and the origin of its rows. It is empty before the first training.
  type: dict
  returned: always
"""

SITE = "./lab site"
FIX = f"Fix: {SITE}"
PLATFORM = {"postgres", "redis", "mlflow", "proxy"}
# The role platform names a configuration after the hash of its content.
CONFIGS = "{{range .Spec.TaskTemplate.ContainerSpec.Configs}}{{.ConfigName}}{{end}}"
# MLflow may still be busy with earlier work. A sweep that has just begun can wait for it.
REGISTRY_SECONDS = 60
# Tags that the training gives to a version: figures, and what the model was made of.
FIGURES = ("accuracy", "onnx_agreement")
ORIGIN = ("data_source", "data_sha256", "onnx_sha256")


def describe(champion):
    """Return the fields of the champion that a manifest has."""
    if champion is None:
        return {}
    figures = {name: float(champion[name]) for name in FIGURES if name in champion}
    return {"model": MODEL, "version": champion["version"], **figures, **{name: champion.get(name) for name in ORIGIN}}


def find_stale_settings(docker, service, wanted):
    """Return how the ready check that HAProxy was deployed with differs from ``wanted``, one text for each setting.

    ``docker`` runs a command and returns its output, or None. Swarm keeps the configuration that the service really
    uses, however its file has changed since. Raises ValueError if this configuration cannot be read.
    """
    listed = docker("service", "inspect", "--format", "{{json .Spec.TaskTemplate.ContainerSpec.Configs}}", service)
    try:
        (config,) = json.loads(listed or "null") or []
        data = docker("config", "inspect", "--format", "{{json .Spec.Data}}", config["ConfigID"])
        text = base64.b64decode(json.loads(data or "null") or "", validate=True).decode()
        return differences(read_ready_check(text), wanted)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"the ready check of HAProxy (service {service}) cannot be read: {error}. {FIX}") from None


def main():
    module = AnsibleModule(
        argument_spec={
            "lab_name": {"type": "str", "required": True},
            "images": {"type": "dict", "required": True},
            "axis_images": {"type": "list", "elements": "str", "default": []},
            "platform_images": {"type": "list", "elements": "str", "default": []},
            "haproxy_socket": {"type": "path", "required": True},
            "ready_check": READY_CHECK | {"required": True},
        },
        supports_check_mode=True,
    )
    lab, own = module.params["lab_name"], module.params["images"]

    def docker(*arguments):
        """Return the output of a docker command, or None if it fails."""
        code, out, _err = run_docker(module, list(arguments))
        if code in TIMED_OUT:
            module.fail_json(msg=no_response(list(arguments)))
        return out.strip() if code == 0 else None

    engine = docker("version", "--format", "{{.Server.Version}}")
    if engine is None:
        module.fail_json(msg=f"Docker does not respond on this host. {FIX}", next_command=SITE)
    listed = docker("service", "ls", "--format", "{{.Name}} {{.Image}}") or ""
    services = dict(line.split(" ", 1) for line in listed.splitlines())
    platform = {
        name.removeprefix(f"{lab}_platform_"): image
        for name, image in services.items()
        if name.startswith(f"{lab}_platform_")
    }
    missing = sorted(PLATFORM - set(platform))
    if missing:
        module.fail_json(msg=f"the lab's stack lacks {', '.join(missing)}. {FIX}", next_command=SITE)
    if docker("network", "inspect", "--format", "{{.Id}}", f"{lab}_api_net") is None:
        module.fail_json(msg=f"the lab lacks the network {lab}_api_net. {FIX}", next_command=SITE)
    try:
        stale = find_stale_settings(docker, f"{lab}_platform_proxy", ReadyCheck(**module.params["ready_check"]))
    except ValueError as error:
        module.fail_json(msg=str(error))
    for reference in module.params["platform_images"] if stale else ():
        if docker("image", "inspect", "--format", "{{.Id}}", reference) is None:
            cause = f"{'; '.join(stale)}. HAProxy must be deployed again, but this host has no image {reference}"
            module.fail_json(msg=f"{cause}. Another version of the lab provisioned this host. {FIX}", next_command=SITE)
    images = {}
    for name, reference in {**platform, **own}.items():
        identity = docker("image", "inspect", "--format", "{{.Id}}", reference)
        if identity is None:
            foreign = name in own and not reference.startswith("swarmsweep/")
            fix = f"Copy it with: ./lab image {reference} --copy-only" if foreign else FIX
            command = None if foreign else SITE
            module.fail_json(msg=f"this host has no image {reference} (for {name}). {fix}", next_command=command)
        images[name] = f"{reference} {identity}"
    axis_images = {
        name: docker("image", "inspect", "--format", "{{.Id}}", name) for name in module.params["axis_images"]
    }
    config = docker("service", "inspect", "--format", CONFIGS, f"{lab}_platform_proxy")
    try:
        about = send_command(module.params["haproxy_socket"], "show info", 5)
    except HaproxyError as error:
        module.fail_json(msg=f"{error}. {FIX}", next_command=SITE)
    haproxy = dict(line.split(": ", 1) for line in about.splitlines() if ": " in line)
    try:
        model = describe(look_up(module, lab, REGISTRY_SECONDS))
    except RegistryError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        versions={"docker": engine, "haproxy": haproxy.get("Version", "unknown")},
        proxy_connections=int(haproxy["Maxconn"]) if haproxy.get("Maxconn", "").isdigit() else None,
        images=images,
        axis_images=axis_images,
        haproxy_config=config,
        stale=stale,
        model=model,
    )


if __name__ == "__main__":
    main()
