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
        # The host that has the lock, while this command holds it, and why it could not be freed there.
        self.manager = None
        self.problem = None

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
            self.problem = result.result.get("problem")
            if self.problem is None:
                self.manager = None

    def v2_playbook_on_stats(self, stats):
        if self.manager is not None and (stats.failures or stats.dark):
            self.problem = "no response"
            # A host that was lost would be waited for until the time limit of SSH.
            if self.manager not in stats.dark:
                self.unlock()
        if self.manager is not None and self.problem is not None:
            text = (
                f"The lock of the lab on {self.manager} could not be freed: {self.problem}. The next command of this "
                f"machine replaces it. For other machines, free it with: {UNLOCK}"
            )
            inventories = [named_inventory(name) for name in context.CLIARGS["inventory"] or ()]
            self._display.display(with_prefix(text, inventory_prefix(inventories)))

    def unlock(self):
        """Run the playbook in this process, which is the holder."""
        variables, loader = self.play.get_variable_manager(), self.play.get_loader()
        inventory = variables._inventory
        # That of the play that failed.
        inventory.remove_restriction()
        [play] = Playbook.load(str(PLAYBOOK), variable_manager=variables, loader=loader).get_plays()
        play.vars = play.vars | {"ansible_ssh_retries": 0}
        queue = TaskQueueManager(inventory, variables, loader, self.passwords, forks=1)
        # This callback reads the result. The one of the screen has printed the last lines of the command.
        queue._callback_plugins = [self]
        try:
            queue.run(play)
        finally:
            queue.cleanup()
