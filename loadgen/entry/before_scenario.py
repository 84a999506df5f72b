"""Locustfile that is loaded first: gives the scenario its packages and secrets before it is imported.

    locust -f before_scenario.py,predict.py,recorder.py

loadgen/common/packages.py and secrets_folder.py say where they are.
"""

from pathlib import Path

from loadgen.common.packages import add_packages
from loadgen.common.secrets_folder import set_secrets

add_packages(Path(__file__).parent)
set_secrets()
