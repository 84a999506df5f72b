"""The command that repeats a playbook has the user's own arguments, and no secret of them."""

import shlex

import pytest

from swarmsweep.lab.repeated_arguments import note_on_hidden, repeated_arguments, shown_command

PROGRAM = "/opt/lab/.venv/bin/ansible-playbook"
# No secret below lacks it, and nothing else has it.
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("verb", "words", "repeated"),
    [
        ("site", ["site.yml", "-i", "inventory/lab"], ""),
        ("site", ["site.yml", "-i", "inventory/lab", "-e", "lab_api_cpus=2"], "-e lab_api_cpus=2"),
        ("site", ["site.yml", "-iinventory/lab", "--limit", "api-1,api-2", "-K"], "--limit api-1,api-2 -K"),
        ("site", ["site.yml", "--inventory=a", "-l", "api 1", "--check", "--diff"], "-l 'api 1' --check --diff"),
        ("sweep", ["sweep.yml", "-e", "sweep=sweeps/quick.yml", "-e", "seed=7"], "-e seed=7"),
        ("sweep", ["sweep.yml", "-e", '{"sweep": "my file.yml"}', "-eseed=7"], "-eseed=7"),
        ("sweep", ["sweep.yml", "-e", "resume=2026-quick"], ""),
        ("sweep", ["sweep.yml", "-e", "sweep=a.yml seed=7"], "-e 'sweep=a.yml seed=7'"),
        ("demo", ["sweep.yml", "-e", "sweep=sweeps/quick.yml"], ""),
        ("retrain", ["playbooks/retrain.yml", "-e", "lab_training_source=rows.csv", "-e", "seed=1"], "-e seed=1"),
        ("down", ["playbooks/virtual_lab.yml", "-e", "virtual_lab_state=absent"], ""),
        ("ui", ["playbooks/ui.yml", "-e", "ui_of=predict.py", "-e", "ui_workers=16"], "-e ui_workers=16"),
        (None, ["play.yml", "-i", "a", "-e", "sweep=a.yml", "-t", "deploy"], "-e sweep=a.yml -t deploy"),
        # Files and names, which the command needs.
        ("site", ["site.yml", "-e", "@my vars.yml"], "-e '@my vars.yml'"),
        ("site", ["site.yml", "-u", "root", "--private-key", "/k/id", "-b"], "-u root --private-key /k/id -b"),
        ("site", ["site.yml", "--vault-id=dev@prompt"], "--vault-id=dev@prompt"),
        # Values that may be secret.
        ("site", ["site.yml", "-e", "ansible_become_pass=hunter2"], "-e 'ansible_become_pass=***'"),
        ("site", ["site.yml", "-e", "dsn=hunter2"], "-e 'dsn=***'"),
        ("site", ["site.yml", "-e", "seed=7 x=hunter2"], "-e 'seed=7 x=***'"),
        ("site", ["site.yml", "-e", '{"lab_api_env": {"A": "hunter2"}}'], """-e '{"lab_api_env": {"A": "***"}}'"""),
        ("sweep", ["sweep.yml", "-e", "lab_training_source=http://me:hunter2@h/x"], "-e 'lab_training_source=***'"),
        ("site", ["site.yml", "--ssh-common-args", "-o ProxyCommand='sshpass -p hunter2'"], "--ssh-common-args '***'"),
        ("site", ["site.yml", "--new-option=hunter2", "hunter2"], ""),
    ],
)  # fmt: skip
def test_the_arguments_are_repeated_without_secrets(verb, words, repeated):
    line = repeated_arguments([PROGRAM, *words], verb)
    assert line == (f" {repeated}" if repeated else "")
    assert SECRET not in line
    shlex.split(line)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["site.yml", "-i", "inventory/my lab", "-v"], "site.yml -i 'inventory/my lab' -v"),
        (["sweep.yml", "-i", "a", "-e", '{"sweep": "my file.yml"}'], None),
        (["playbooks/virtual_lab.yml", "-i", "a", "-e", "virtual_lab_state=absent"], None),
        (["playbooks/logs.yml", "-i", "a", "-e", "logs_of=api", "-e", "logs_lines=50", "-u", "root"], None),
        (["playbooks/ui.yml", "-i", "a", "-e", "ui_of=predict.py", "-e", "ui_minutes=30"], None),
        (["site.yml", "-i", "a", "-edsn=hunter2"], "site.yml -i a '-edsn=***'"),
        (["site.yml", "-i", "a", "-vvedsn=hunter2"], "site.yml -i a '-vvedsn=***'"),
        (["site.yml", "-i", "a", "--extra-v=dsn=hunter2"], "site.yml -i a '--extra-v=dsn=***'"),
        (["site.yml", "-i", "a", "--ssh-common-args", "-o hunter2"], "site.yml -i a --ssh-common-args '***'"),
        (["site.yml", "-i", "a", "--new-option", "hunter2"], "site.yml -i a '***' '***'"),
    ],
)
def test_the_whole_command_is_shown_without_secrets(words, shown):
    line = shown_command([PROGRAM, *words])
    command = f"ansible-playbook {shlex.join(words) if shown is None else shown}"
    assert line == command + note_on_hidden(command)
    assert SECRET not in line
    assert ("replace ***" in line) == ("***" in line)


def test_hidden_values_are_explained():
    assert note_on_hidden("./lab site -e seed=7") == ""
    assert "replace ***" in note_on_hidden("./lab site -e 'dsn=***'")
