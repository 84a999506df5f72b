#!/usr/bin/python
"""Ansible module: run one command once to its end as a Swarm job."""

from __future__ import annotations

import json
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_command import TIMED_OUT, no_response, run_docker

DOCUMENTATION = r"""
module: swarm_job
short_description: Run a command once, to its end, as a Swarm job
description:
  - A job can read Swarm secrets, and a plain container cannot.
  - The job runs on a manager, because the folders that it mounts exist only there.
  - If a job of this name has succeeded, it is not run again. So the name must contain what the job depends on.
  - If a job of this name has failed, it is removed and run again.
  - With I(keep) false, the job always runs, and is removed when it has succeeded.
options:
  name: {description: Name of the job's service., type: str, required: true}
  image: {description: An image that the node has., type: str, required: true}
  command: {description: Command and arguments., type: list, elements: str, required: true}
  env: {description: Environment. Never a secret., type: dict, default: {}}
  secrets:
    description: Secrets to mount below /run/secrets, with keys source, target and uid.
    type: list
    elements: dict
    default: []
  mounts: {description: Mounts in the form of C(docker service create --mount)., type: list, elements: str, default: []}
  networks: {description: Overlay networks., type: list, elements: str, default: []}
  labels: {description: Labels of the service., type: dict, default: {}}
  keep: {description: "Whether a job that succeeded is kept, as the record that it ran.", type: bool, default: true}
  timeout_seconds: {description: Seconds until the job must have ended., type: int, default: 900}
author: [swarmsweep]
"""

EXAMPLES = r"""
- swarm_job:
    name: lab_train_0123
    image: swarmsweep/mlflow:0123
    command: [python, -m, covertype_api.train]
"""

RETURN = r"""
output: {description: Last lines that the job printed., type: list, elements: str, returned: always}
"""

OUTPUT_LINES = 40
ENDED_BADLY = ("Failed", "Rejected", "Shutdown", "Orphaned")


class Job:
    """A job by its name, as the docker command sees it."""

    def __init__(self, module):
        self.module = module
        self.name = module.params["name"]

    def docker(self, *arguments, check=True):
        code, out, err = run_docker(self.module, list(arguments))
        # Also without check: a timeout does not mean "there is no such service".
        if code in TIMED_OUT:
            self.module.fail_json(msg=f"the job {self.name}: {no_response(list(arguments))}")
        if check and code != 0:
            self.module.fail_json(msg=f"docker {' '.join(arguments[:2])} {self.name}: {err.strip() or out.strip()}")
        return code, out

    def state(self):
        """Return (word, error) of the newest task. word is None without such a service, and "" before it has a task."""
        if self.docker("service", "inspect", self.name, check=False)[0] != 0:
            return None, ""
        lines = self.docker("service", "ps", "--no-trunc", "--format", "{{json .}}", self.name)[1].splitlines()
        if not lines:
            return "", ""
        task = json.loads(lines[0])
        return task["CurrentState"].split(" ")[0], task["Error"]

    def output(self):
        arguments = ["service", "logs", "--raw", "--tail", str(OUTPUT_LINES), self.name]
        code, out, err = run_docker(self.module, arguments)
        # The caller has its own message. A missing log of the job must not replace it.
        late = [no_response(arguments)] if code in TIMED_OUT else []
        return [*(out + err).splitlines(), *late][-OUTPUT_LINES:]

    def create(self):
        given = self.module.params
        options = [("--env", f"{key}={value}") for key, value in given["env"].items()]
        options += [("--label", f"{key}={value}") for key, value in given["labels"].items()]
        options += [("--mount", mount) for mount in given["mounts"]]
        options += [("--network", network) for network in given["networks"]]
        options += [
            ("--secret", f"source={secret['source']},target={secret['target']},uid={secret['uid']},mode=0400")
            for secret in given["secrets"]
        ]
        self.docker(
            "service", "create", "--detach", "--quiet", "--name", self.name, "--mode", "replicated-job",
            "--no-resolve-image", "--restart-condition", "none",
            "--constraint", "node.role == manager", "--cap-drop", "ALL", "--read-only",
            *[word for option in options for word in option],
            given["image"], *given["command"],
        )  # fmt: skip

    def remove(self):
        self.docker("service", "rm", self.name)

    def wait(self):
        deadline = time.monotonic() + self.module.params["timeout_seconds"]
        while True:
            word, error = self.state()
            if word == "Complete":
                return
            if word in ENDED_BADLY:
                output = self.output()
                self.module.fail_json(
                    msg=f"the job {self.name} failed: {error or word}. Its last output: " + " | ".join(output[-5:]),
                    output=output,
                )
            if time.monotonic() > deadline:
                self.module.fail_json(
                    msg=f"the job {self.name} is still '{word or 'new'}' after "
                    f"{self.module.params['timeout_seconds']} s{error and f' ({error})'}. "
                    f"To see why, run: docker service ps --no-trunc {self.name}",
                    output=self.output(),
                )
            time.sleep(1)


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "env": {"type": "dict", "default": {}},
            "secrets": {"type": "list", "elements": "dict", "default": [], "no_log": False},
            "mounts": {"type": "list", "elements": "str", "default": []},
            "networks": {"type": "list", "elements": "str", "default": []},
            "labels": {"type": "dict", "default": {}},
            "keep": {"type": "bool", "default": True},
            "timeout_seconds": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    job = Job(module)
    keep = module.params["keep"]
    word, _error = job.state()
    if word == "Complete" and keep:
        module.exit_json(changed=False, output=job.output())
    if module.check_mode:
        module.exit_json(changed=True, output=[])
    if word == "Complete" or word in ENDED_BADLY:
        job.remove()
        word = None
    if word is None:
        job.create()
    job.wait()
    output = job.output()
    if not keep:
        job.remove()
    module.exit_json(changed=True, output=output)


if __name__ == "__main__":
    main()
