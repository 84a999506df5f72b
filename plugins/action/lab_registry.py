"""Ansible action: push an image of a host to a registry, or pull one, step by step.

Arguments: do (the step: check, push, pull), and what the step needs. See the methods.

The credentials are a file of the controller. They go to the host by the input of a shell, into a folder in memory that
only root reads and that the shell removes. So they are in no argument, no log and no file that stays.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import deque

from hostlink.channel import Channel, ChannelError
from hostlink.screen import shown, write_line
from hostlink.steps import StepsAction
from swarmsweep.lab.registry import docker_config, explain, is_before_transfer, is_progress, read_target
from swarmsweep.shared.image_reference import by_digest, normalise, registry_of

# A registry that does not respond must not keep the lab. 10 GB at 10 MB/s take 17 minutes.
TRANSFER_SECONDS = 1800
# The last line of `docker push`.
DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})\b")
# Begins the line with the digests of an image. Docker may print a warning after it.
MARK = "digests "
# Of lines that name the cause.
CAUSE_LINES = 3
# The docker command reads config.json of the folder that --config names.
SHELL = "\n".join(
    [
        "umask 077",
        "folder=$(mktemp -d /dev/shm/swarmsweep-registry.XXXXXX) || exit 1",
        "trap 'rm -rf \"$folder\"' EXIT",
        "trap 'exit 1' HUP INT TERM PIPE",
        'cat > "$folder/config.json" || exit 1',
        'docker() {{ timeout --kill-after=5 {seconds} docker --config "$folder" "$@"; }}',
        "{commands}",
    ]
)
PUSH = "\n".join(
    [
        "former=$(docker image inspect --format {identity} -- {target} 2> /dev/null)",
        "docker tag {image} {target} || exit 1",
        "docker push {target}",
        "code=$?",
        'if [ -z "{keep}" ]; then',
        '    if [ -n "$former" ]; then docker tag "$former" {target}; else docker image rm {target} > /dev/null; fi',
        "fi",
        "exit $code",
    ]
)
PULL = "\n".join(
    [
        "docker pull --quiet {wanted} || exit 1",
        "{tag}",
        "docker image inspect --format {digests} -- {wanted}",
    ]
)


class ActionModule(StepsAction):
    """Checks a target, pushes and pulls."""

    TRANSFERS_FILES = False

    def do_check(self, target, credentials=""):
        """Refuse a target or credentials before a host is contacted. Runs on the controller."""
        found = read_target(target)
        docker_config(found.registry, credentials)
        return {"target": found.name, "registry": found.registry}

    def do_push(self, image, target, host, credentials="", user="", setting="--credentials FILE", keep=False, known=""):
        """Push an image of this task's host. Returns ``reference``, REGISTRY/NAME@DIGEST.

        ``keep``: the name in the registry stays on the host, so Docker there knows the digest. ``known``: the reference
        that the host had before.
        """
        found = read_target(target)
        words = {"image": image, "target": found.name, "identity": "{{.Id}}"}
        quoted = {name: shlex.quote(word) for name, word in words.items()}
        commands = PUSH.format(keep="yes" if keep else "", **quoted)
        what = f"{image} could not be pushed from {host} to {found.name}"
        last = self.run_docker(commands, found.registry, credentials, user, what, host, setting)
        digest = next((match[1] for line in reversed(last) if (match := DIGEST.search(line))), None)
        if digest is None:
            raise ChannelError(f"{what}: Docker printed no digest: {shown(' '.join(last[-CAUSE_LINES:]))}")
        reference = f"{normalise(found.name).name}@{digest}"
        return {"changed": reference != known, "reference": reference}

    def do_pull(self, image, host, credentials="", user="", setting="lab_api_registry_credentials", reference=""):
        """Pull an image to this task's host: by its name, or the bytes of ``reference`` for this name.

        Returns ``reference``, REGISTRY/NAME@DIGEST.
        """
        wanted = reference or image
        registry = registry_of(wanted)
        # A name by digest gets no tag.
        tag = ""
        if reference and "@" not in image:
            tag = f"docker tag {shlex.quote(reference)} {shlex.quote(image)} || exit 1"
        digests = shlex.quote(f"{MARK}{{{{json .RepoDigests}}}}")
        commands = PULL.format(wanted=shlex.quote(wanted), tag=tag, digests=digests)
        what = f"{wanted} could not be pulled to {host}"
        last = self.run_docker(commands, registry, credentials, user, what, host, setting, is_quiet=True)
        listed = next((line.removeprefix(MARK) for line in reversed(last) if line.startswith(MARK)), "null")
        found = by_digest(wanted, json.loads(listed) or [])
        if found is None:
            raise ChannelError(f"{what}: Docker knows no digest of it")
        return {"changed": True, "reference": found}

    def run_docker(self, commands, registry, credentials, user, what, host, setting, *, is_quiet=False):
        """Run commands in the shell, and return their last lines. A failure has its cause, and what helps."""
        config = docker_config(registry, credentials, user)
        script = SHELL.format(seconds=TRANSFER_SECONDS, commands=commands)
        causes: deque[str] = deque(maxlen=CAUSE_LINES)

        def hear(line):
            if line and not is_progress(line):
                causes.append(line)
            if not (is_quiet or is_before_transfer(line)):
                write_line(f"  {shown(line)}")

        with Channel(self._connection, script) as channel:
            code, last = channel.send([config.encode()], on_line=hear)
        if code == 0:
            return last
        # Both streams are read at once, so a line about a layer may come after the cause.
        said = " ".join(causes or last[-CAUSE_LINES:])
        cause = "it took longer than 30 minutes" if code in (124, 137) else shown(said)
        raise ChannelError(f"{what}: {cause or f'exit code {code}'}. {explain(said, registry, host, setting)}")
