"""Ansible action: read and check the settings of the API's container. Runs on the controller.

The logic is in swarmsweep.lab.api_settings. Arguments: settings, the settings lab_api_* without that prefix;
lab_name; key_file, the file of the key by which contents of secrets are compared.
Returns ``container``: the same settings in the form that the role api_stack takes. ``recorded`` and ``hidden`` are for
manifest.json: settings by their names in the inventory, and those of which it keeps keyed hashes alone.
``hidden_texts``: the secrets, as modules take them that read logs (see shared/hidden_text.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.errors import LabError
from swarmsweep.lab import api_settings
from swarmsweep.lab.api_secrets import content_for_swarm
from swarmsweep.lab.inventory_files import inventories_with_files, inventory_of
from swarmsweep.shared.hidden_text import encode


def plain(value):
    """Return a value without the types of Ansible. Names are text. A date, which JSON does not have, stays one."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    return json.loads(json.dumps(value))


class ActionModule(ActionBase):
    """Fails with every mistake in one message."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        settings = plain(self._task.args["settings"])
        sources = task_vars.get("ansible_inventory_sources")
        place = api_settings.Place(
            root=Path(task_vars["ansible_config_file"]).parent,
            lab_name=self._task.args["lab_name"],
            key_file=Path(self._task.args["key_file"]),
            inventory=inventory_of(sources),
            inventories=tuple(inventories_with_files(sources)),
        )
        container, problems = api_settings.read_settings(settings, place)
        if problems:
            raise AnsibleActionFail("\n".join(problems))
        try:
            contents = [content_for_swarm(secret, place.lab_name, place.key_file) for secret in container["secrets"]]
        except LabError as error:
            raise AnsibleActionFail(str(error)) from None
        return result | {
            "changed": False,
            # Variables of a service may be passwords. `-v` would show them, and the log would have them.
            "_ansible_no_log": True,
            "container": container,
            "recorded": api_settings.recorded(container),
            "hidden": api_settings.hidden(container),
            "hidden_texts": encode(contents),
        }
