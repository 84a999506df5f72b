"""The packages of locustfiles/requirements.txt: a folder of their own, which only the processes of a load look into.

Root runs the Python of Locust, and must not run code of these packages, so they are not a part of its environment.
"""

import os
import site
from pathlib import Path

# As in roles/locust_host/tasks/packages.yml.
FOLDER = "scenario_packages/site"


def add_packages(home: Path) -> None:
    """Let this process, and programs that the scenario starts, import the packages. ``home`` is Locust's folder.

    They come after Locust's own packages. Versions of both agree, because the lock was a constraint.
    """
    folder = home / FOLDER
    if folder.is_dir():
        site.addsitedir(str(folder))
        os.environ["PYTHONPATH"] = str(folder)
