"""Installs the programs that the tests run and this machine lacks: `python -m tests.install_programs`.

nginx, HAProxy and docker-registry are unpacked below .lab, as their packages would start a service. The others start
nothing.
Chromium of other systems is a snap. There, its tests are skipped.
"""

import platform
import shutil
import sys

from bench.generator import nginx
from bench.lib import packages, wrk
from bench.truth import haproxy
from swarmsweep.errors import LabError


def main() -> None:
    """Install what is absent.

    Raises:
        LabError: apt-get failed, or what was unpacked does not run.
    """
    wrk.install()
    if shutil.which("iptables", path="/usr/sbin:/sbin") is None:
        packages.install_debian("iptables")
    if shutil.which("chromium") is None and platform.freedesktop_os_release().get("ID") == "debian":
        packages.install_debian("chromium")
    packages.unpacked("docker-registry", "usr/bin/docker-registry")
    if shutil.which("htpasswd") is None:
        packages.install_debian("apache2-utils")
    nginx.program()
    haproxy.program()


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"lab test: {error}")
