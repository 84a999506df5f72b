"""Frees the lock of the lab when a command fails. The play that does it comes last, so Ansible does not reach it."""

from __future__ import annotations

from pathlib import Path

from ansible import context
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.playbook import Playbook
from ansible.plugins.callback import CallbackBase

from swarmsweep.lab.inventory_files import named_inventory
from swarmsweep.lab.lab_command import inventory_prefix, with_prefix
from swarmsweep.lab.lock_holder import UNLOCK

DOCUMENTATION = """
name: lab_unlock
type: notification
short_description: frees the lock of the lab when a command fails
description:
  - A play cannot run after another one has failed on all of its hosts. This callback runs C(playbooks/unlock.yml)
    at the end of a playbook that has failed, and that has taken the lock and not freed it.
  - A process that was killed, or that Ctrl-C ended, keeps its lock. See C(swarmsweep/lab/lock_holder.py).
"""

PLAYBOOK = Path(__file__).parents[2] / "playbooks" / "unlock.yml"


class CallbackModule(CallbackBase):
    """Notes whether the command has the lock, and frees it at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lab_unlock"

    def __init__(self):
        super().__init__()
        self.play = None
        self.passwords = {}
        # The host that has the lock, while this command holds it.
        self.manager = None

    def set_play_context(self, play_context):
        """Keep the passwords that the user typed at the beginning of the command."""
        self.passwords = {"conn_pass": play_context.password, "become_pass": play_context.become_pass}

    def v2_playbook_on_play_start(self, play):
        self.play = play

    def v2_runner_on_ok(self, result):
        if result.task.action != "lab_lock":
            return
        step = result.task.args.get("do")
        if step == "take" and result.result.get("problem") is None:
            # A sweep takes it again, from another host.
            self.manager = self.manager or result.host.get_name()
        elif step == "release":
            self.manager = None

    def v2_playbook_on_stats(self, stats):
        if self.manager is None or not (stats.failures or stats.dark):
            return
        # A host that was lost would be waited for until the time limit of SSH.
        if self.manager in stats.dark or self.unlock() != TaskQueueManager.RUN_OK:
            text = (
                f"The lock of the lab on {self.manager} could not be freed. The next command of this machine replaces "
                f"it. For other machines, free it with: {UNLOCK}"
            )
            inventories = [named_inventory(name) for name in context.CLIARGS["inventory"] or ()]
            self._display.display(with_prefix(text, inventory_prefix(inventories)))

    def unlock(self):
        """Run the playbook in this process, which is the holder. Returns its exit code."""
        variables, loader = self.play.get_variable_manager(), self.play.get_loader()
        inventory = variables._inventory
        # That of the play that failed.
        inventory.remove_restriction()
        [play] = Playbook.load(str(PLAYBOOK), variable_manager=variables, loader=loader).get_plays()
        play.vars = play.vars | {"ansible_ssh_retries": 0}
        queue = TaskQueueManager(inventory, variables, loader, self.passwords, forks=1)
        # The screen already has the last lines of the command. A callback without methods prints nothing.
        queue._callback_plugins = [CallbackBase()]
        try:
            return queue.run(play)
        finally:
            queue.cleanup()
