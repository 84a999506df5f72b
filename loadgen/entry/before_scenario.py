"""Locustfile that is loaded first: gives the scenario its secrets before it is imported.

    locust -f before_scenario.py,predict.py,recorder.py

loadgen/common/secrets_folder.py says where they are.
"""

from loadgen.common.secrets_folder import set_secrets

set_secrets()
