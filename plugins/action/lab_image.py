"""Ansible action: bring an image to the API hosts, step by step.

Arguments: do (the step: find, build_here, build, fetch, copy, keep), near (whether the host is a virtual machine of
this one), and what the step needs. See the methods.

A stream (an image, a folder to build) goes over the connection of the host, and is kept in no memory. Progress is
printed (see hostlink/screen.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

from hostlink.build_context import ContextError, context_of
from hostlink.channel import ERROR_BYTES, PART_BYTES, Channel, ChannelError, lines_of
from hostlink.screen import shown, shown_lines, write_line
from hostlink.steps import StepsAction
from swarmsweep.lab import inventory_line
from swarmsweep.units import format_bytes, format_seconds

SETTING = "lab_api_image"
# `./lab clean` removes images with it when they are old, and no image that was only copied.
LABEL = "swarmsweep.built=folder"
# What Docker takes as a name with a tag. A digest cannot be saved with its name.
NAME = re.compile(r"[a-z0-9A-Z][\w.:/-]*")
# A line of progress is printed this often.
PROGRESS_SECONDS = 5.0
# The names of the largest files are shown for a folder above this size: a model or data may be there by mistake.
LARGE_BYTES = 200 << 20
LARGEST_FILES = 3
DEADLINE_SECONDS = 60
# The certificates that an API host trusts, with those of lab_ca_bundle. A Dockerfile may mount them as a secret.
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Docker refuses a larger secret, also for a Dockerfile that does not use it.
MAX_SECRET_BYTES = 500 * 1024
# What BuildKit prints before a line of a step, for example `#9 1.2 `.
BUILD_STEP = re.compile(r"(?:#\d+ (?:\d+\.\d+ )?)?")
# What pip, curl, apt, npm and Docker print about a certificate that they do not trust.
UNTRUSTED = re.compile(
    r"certificate_verify_failed|certificate verif(?:y|ication) failed|unable to get local issuer certificate"
    r"|self[- ]signed certificate|x509: certificate|ssl certificate problem|certificate is not trusted"
    r"|invalid peer certificate",
    re.IGNORECASE,
)
# The exit code of a shell for a program that does not exist.
NO_DOCKER = 127


class Progress:
    """Prints how much was sent, at most once in `PROGRESS_SECONDS`."""

    def __init__(self, what, total_bytes=None):
        self.what, self.total = what, total_bytes
        self.began = self.printed = time.monotonic()

    def __call__(self, sent):
        now = time.monotonic()
        if now - self.printed >= PROGRESS_SECONDS:
            self.printed = now
            rate = sent / (now - self.began)
            share = f" of about {format_bytes(self.total)}" if self.total else ""
            write_line(f"  {self.what}: {format_bytes(int(sent))}{share}, {format_bytes(int(rate))} a second")


def last_state(line):
    """Return what a terminal shows of a line that a program wrote over itself, after BuildKit's step and time."""
    step = BUILD_STEP.match(line)[0]
    return step + line[len(step) :].rstrip("\r").rpartition("\r")[2]


class BuildLines:
    """Prints the lines of a build, and notes whether one is about a certificate that is not trusted."""

    def __init__(self):
        self.has_untrusted_certificate = False

    def __call__(self, line):
        self.has_untrusted_certificate = self.has_untrusted_certificate or bool(UNTRUSTED.search(line))
        write_line(f"  {shown(last_state(line))}")


def docker_here(*arguments):
    """Return (exit code, output, errors) of Docker on this machine. Without Docker, the code is `NO_DOCKER`."""
    try:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
        )
    except FileNotFoundError:
        return NO_DOCKER, "", "this machine has no Docker"
    except subprocess.TimeoutExpired:
        return 124, "", f"Docker of this machine did not respond within {DEADLINE_SECONDS} s"
    return done.returncode, done.stdout.strip(), done.stderr.strip()


@contextlib.contextmanager
def certificates_here(ca_bundle):
    """Yield a file with the certificates of this machine and those of lab_ca_bundle. Yield None without any."""
    paths = [path for path in dict.fromkeys((ca_bundle, CA_BUNDLE)) if path and Path(path).is_file()]
    with tempfile.NamedTemporaryFile(prefix="swarmsweep-", suffix=".crt") as both:
        if len(paths) > 1:
            try:
                both.write(b"\n".join(Path(path).read_bytes() for path in paths))
            except OSError as error:
                raise ContextError(f"lab_ca_bundle: {error.filename} cannot be read: {error.strerror}") from error
            both.flush()
            paths = [both.name, *paths]
        yield next((path for path in paths if Path(path).stat().st_size <= MAX_SECRET_BYTES), None)


def tail_of(file):
    """Return the end of a file of text."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - ERROR_BYTES))
    return file.read().decode(errors="replace").strip()


class ActionModule(StepsAction):
    """Finds an image, builds it, copies it to the hosts, and sets the line of the inventory."""

    TRANSFERS_FILES = False

    def arguments(self):
        found = super().arguments()
        # A virtual machine of this one: compressing takes longer than sending.
        self.near = bool(found.pop("near", False)) and self._connection.transport == "ssh"
        return found

    def do_find(self, source):
        """Find out what the user named. Runs on the controller.

        Returns ``image`` (name:tag), ``folder`` (or null), and ``here``: whether the image is in this machine's Docker,
        or can be built there. ``id`` and ``bytes`` are those of the image here. ``problem``: why this
        machine's Docker cannot be used, if it has one.
        """
        try:
            folder = Path(source).expanduser()
        except RuntimeError as error:
            raise ContextError(
                f"{source} is not a folder: {error}; allowed: a folder with a Dockerfile, or name:tag"
            ) from None
        code, _out, errors = docker_here("version")
        has_docker = code == 0
        # Without Docker, the API host builds. A Docker that does not respond is likely a mistake.
        problem = None if code in (0, NO_DOCKER) else errors.splitlines()[-1] if errors else f"exit code {code}"
        if problem:
            write_line(f"  This machine's Docker cannot be used: {shown(problem)}")
        if folder.is_dir():
            context = context_of(folder)
            self.show_context(context)
            image = context.tag()
        else:
            if "/" in source and (source.startswith((".", "/", "~")) or source.endswith("/")):
                raise ContextError(f"{source} is not a folder; allowed: a folder with a Dockerfile, or name:tag")
            image = self.with_tag(source)
        code, out, _errors = docker_here("image", "inspect", "--format", "{{.Id}} {{.Size}}", image)
        identity, _, size = out.partition(" ") if code == 0 else ("", "", "0")
        return {
            "image": image,
            "folder": str(folder.resolve()) if folder.is_dir() else None,
            "here": has_docker and (folder.is_dir() or bool(identity)),
            "id": identity or None,
            "bytes": int(size or 0) or None,
            "problem": problem,
        }

    def with_tag(self, name):
        """Return the name with its tag. Without a tag, `docker save` would take all of them."""
        if not NAME.fullmatch(name) or "@" in name:
            raise ContextError(f"the image '{name}' is not a name that can be copied; allowed: name:tag, or a folder")
        return name if ":" in name.rpartition("/")[2] else f"{name}:latest"

    def show_context(self, context):
        """Print how large the folder is."""
        left = f"; files and folders left out by .dockerignore: {context.left_out}" if context.left_out else ""
        write_line(f"  {context.folder}: {context.files} files, {format_bytes(context.size_bytes)}{left}")
        if context.size_bytes > LARGE_BYTES:
            names = ", ".join(f"{path} ({format_bytes(size)})" for size, path in context.largest(LARGEST_FILES))
            write_line(f"  Its largest files: {names}. A file .dockerignore can leave files out.")

    def do_build_here(self, image, folder, ca_bundle=""):
        """Build a folder with this machine's Docker. `ca_bundle` is the setting lab_ca_bundle."""
        self.refuse_changed(image, folder)
        _code, former, _errors = docker_here("image", "inspect", "--format", "{{.Id}}", image)
        command, environment = ["docker", "build", "--tag", image, "--label", LABEL], dict(os.environ)
        said = BuildLines()
        with certificates_here(ca_bundle) as bundle:
            # Only BuildKit takes secrets. An older Docker uses it where it is asked to. A user may have turned it off.
            is_off = environment.get("DOCKER_BUILDKIT", "").lower() in ("0", "false")
            if bundle is not None and not is_off and docker_here("buildx", "version")[0] == 0:
                command += ["--secret", f"id=ca_bundle,src={bundle}"]
                environment["DOCKER_BUILDKIT"] = "1"
            with subprocess.Popen(
                [*command, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
            ) as process:
                for line in lines_of(process.stdout):
                    said(line.decode(errors="replace").rstrip())
        if process.returncode != 0:
            raise ContextError(self.build_failed(folder, process.returncode, said))
        code, out, errors = docker_here("image", "inspect", "--format", "{{.Id}} {{.Size}}", image)
        identity, _, size = out.partition(" ")
        if code != 0:
            # A builder in a container of its own keeps what it builds.
            fix = "Fix: docker buildx use default"
            raise ContextError(f"docker build left no image {image} on this machine: {shown_lines(errors)}. {fix}")
        # With --rebuild, the tag may be in use.
        back = ["tag", former] if former else ["image", "rm", "--force"]
        self.refuse_changed(image, folder, lambda: docker_here(*back, image))
        return {"changed": True, "id": identity, "bytes": int(size)}

    def refuse_changed(self, image, folder, remove=lambda: None):
        """Refuse a folder whose files are no longer those of the tag. `remove` removes what was built of it."""
        if context_of(Path(folder)).tag() != image:
            remove()
            raise ContextError(f"{folder} was changed while this command ran. Run the same command again")

    def do_build(self, image, folder, host):
        """Build a folder on the host of this task."""
        self.refuse_changed(image, folder)
        context = context_of(Path(folder))
        former = self.former_id(image)
        command = (
            f'[ ! -s {CA_BUNDLE} ] || [ "$(stat -L -c %s {CA_BUNDLE})" -gt {MAX_SECRET_BYTES} ] || '
            f"set -- --secret id=ca_bundle,src={CA_BUNDLE}; "
            f"DOCKER_BUILDKIT=1 exec docker build --progress=plain --tag {shlex.quote(image)} --label {LABEL} "
            '"$@" - 2>&1'
        )
        said = BuildLines()
        with Channel(self._connection, command, plain=self.near) as channel:
            progress = Progress(f"{folder} to {host}", context.size_bytes)
            code, _last = channel.send(context.archive(), progress, said)
        if code != 0:
            raise ContextError(self.build_failed(folder, code, said, host))
        self.refuse_changed(image, folder, lambda: self.take_back(image, former))
        return {"changed": True}

    def former_id(self, image):
        """Return the id that an image has on this task's host before it is built, or None."""
        command = f"exec docker image inspect --format {shlex.quote('{{.Id}}')} -- {shlex.quote(image)} 2> /dev/null"
        with Channel(self._connection, command, plain=self.near) as channel:
            code, last = channel.send([])
        return last[-1].strip() if code == 0 and last else None

    def take_back(self, image, former):
        """Remove an image that was just built on this host. With --rebuild, its tag goes back to the image before."""
        name = shlex.quote(image)
        command = f"tag {shlex.quote(former)} {name}" if former else f"image rm --force {name}"
        with Channel(self._connection, f"exec docker {command}", plain=self.near) as channel:
            channel.send([])

    def build_failed(self, folder, code, said, host="this machine"):
        """Return the message of a build that failed. The lines of Docker are on the screen already."""
        fix = f"Fix: correct the Dockerfile or its files, or the network of {host} if it could not download something"
        if said.has_untrusted_certificate:
            fix = (
                "It did not trust the certificate of a server, as behind a proxy that inspects TLS. "
                "Fix: add the line of docs/your-own-api.md#certificates-of-a-build to the Dockerfile"
            )
        cause = f"docker build ended with exit code {code}. Its lines are above"
        return f"{folder} could not be built on {host}: {cause}. {fix}"

    def do_fetch(self, image, path, host):
        """Copy an image from this host's Docker into a file of the controller."""
        # The file may have gigabytes, and the image may have files that other users must not read.
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)
        with Channel(self._connection, f"exec docker save {shlex.quote(image)}", plain=self.near) as channel:
            progress, received = Progress(f"{image} from {host}"), 0
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for part in channel.parts():
                    file.write(part)
                    received += len(part)
                    progress(received)
            code, errors = channel.ended()
        if code != 0:
            raise ChannelError(f"{image} could not be read from {host}: {shown_lines(errors) or f'exit code {code}'}")
        return {"bytes": received}

    def do_copy(self, image, host, path=None, bytes=None):
        """Send an image to this host's Docker: from this machine's Docker, or from a file of the controller."""
        began = time.monotonic()
        command = ["docker", "save", image] if path is None else ["cat", path]
        sent = 0

        def parts():
            nonlocal sent
            while part := source.stdout.read1(PART_BYTES):
                sent += len(part)
                yield part

        with (
            # The errors are read after the end. A full pipe would stop the source before that.
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as source,
            Channel(self._connection, "exec docker load", plain=self.near) as channel,
        ):
            code, last = channel.send(parts(), Progress(f"{image} to {host}", bytes))
            # A source that has not ended waits for a reader.
            source.stdout.close()
            source.wait()
            errors = tail_of(said)
        if code == 0 and source.returncode != 0:
            raise ChannelError(f"{shlex.join(command)} failed on this machine: {shown_lines(errors)}")
        if code != 0:
            raise ChannelError(f"docker load failed on {host}: {shown(' '.join(last)) or f'exit code {code}'}")
        seconds = format_seconds(time.monotonic() - began)
        write_line(f"  {host} has {image}: {format_bytes(sent)} sent in {seconds}")
        return {"changed": True}

    def do_keep(self, image, inventories, effective):
        """Set lab_api_image in the inventory, and say what was changed."""
        inventory = inventory_line.inventory_to_change(inventories, SETTING)
        changed = inventory_line.set_line(inventory, SETTING, image, effective)
        return {"changed": changed.before != changed.after, "sentence": changed.sentence()}
