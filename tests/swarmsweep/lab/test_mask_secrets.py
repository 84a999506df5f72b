"""No secret of a command line reaches a file, and what repeats the run does."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from swarmsweep.lab.mask_secrets import KEPT_VARIABLES, NAMED_VARIABLES, restorable, storable

ROOT = Path(__file__).parents[3]
# No secret below lacks it, and nothing else has it.
SECRET = "hunter2"


def stored_words(words):
    line = storable(["/opt/bin/ansible-playbook", *words])
    assert shlex.split(line)[0] == "ansible-playbook"
    return line, shlex.split(line)[1:]


@pytest.mark.parametrize(
    "words",
    [
        ["sweep.yml"],
        ["playbooks/sweep.yml", "-i", "inventory/lab", "-vvv", "-K", "-b", "--check", "--diff"],
        ["sweep.yml", "-iinventory/lab", "--inventory=inventory/mine", "-i", "198.18.0.11,"],
        ["sweep.yml", "-e", "sweep=sweeps/quick.yml", "-e", "seed=7"],
        ["sweep.yml", "-e", "sweep=sweeps/quick.yml seed=7 resume=20261122T114512Z-quick"],
        ["sweep.yml", "-e", "sweep='my file.yml'"],
        ["sweep.yml", "-e", '{"sweep": "it\'s mine.yml"}'],
        ["sweep.yml", "-e", '{"seed": 7, "lab_api_cpus": 0.5, "lab_api_image": null}'],
        ["sweep.yml", "--tags", "sweep", "--skip-tags=always", "--limit", "api:!lab-load", "-f", "4", "-T20"],
        ["sweep.yml", "-e", "lab_api_image=registry:5000/my-api:1@sha256:" + "0a" * 32],
        ["sweep.yml", "-e", "lab_training_source=https://example.org/rows/covtype.csv"],
        ["sweep.yml", "-e", "bench_cell_ready_timeout_seconds=60"],
        ["sweep.yml", "-e", "lab_api_spread=rack lab_api_on_manager=false", "-e", "lab_api_platform=true"],
        ["-vvesweep=a.yml", "--", "sweep.yml"],
    ],
)
def test_a_run_without_secrets_can_be_repeated_as_it_was_typed(words):
    assert stored_words(words)[1] == words


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        # Names that Ansible's users know, and names of the environment.
        (["-e", "ansible_become_pass=hunter2"], ["-e", "ansible_become_pass=***"]),
        (["-e", "ansible_ssh_pass=hunter2"], ["-e", "ansible_ssh_pass=***"]),
        (["-e", "ansible_become_password=hunter2"], ["-e", "ansible_become_password=***"]),
        (["-e", "MYSQL_PWD=hunter2"], ["-e", "MYSQL_PWD=***"]),
        (["-e", "DB_PASS=hunter2"], ["-e", "DB_PASS=***"]),
        (["-e", "PASSPHRASE=hunter2"], ["-e", "PASSPHRASE=***"]),
        (["-e", "AUTH=hunter2"], ["-e", "AUTH=***"]),
        (["-e", "CREDENTIAL=hunter2"], ["-e", "CREDENTIAL=***"]),
        (["-e", "db_password=hunter2"], ["-e", "db_password=***"]),
        (["-e", "api_key=hunter2=="], ["-e", "api_key=***"]),
        # A name that no list of secrets has.
        (["-e", "dsn=hunter2"], ["-e", "dsn=***"]),
        (["-e", "pin=1234hunter2"], ["-e", "pin=***"]),
        # Where a secret is put into a value.
        (["-e", "url=https://hunter2@host/x"], ["-e", "url=***"]),
        (["-e", "lab_training_source=https://hunter2@host/x.csv"], ["-e", "lab_training_source=***"]),
        (["-e", "lab_training_source=http://me:hunter2@host:5000/x"], ["-e", "lab_training_source=***"]),
        (["-e", "lab_training_source=https://s3/x.csv?X-Amz-Signature=hunter2"], ["-e", "lab_training_source=***"]),
        (["-e", "lab_training_source=https://s3/x.csv#access_token=hunter2"], ["-e", "lab_training_source=***"]),
        (["-e", '{"lab_training_source": "https://s3/x?sig=hunter2"}'], ["-e", '{"lab_training_source": "***"}']),
        (["-e", "lab_api_image=me:hunter2@registry/api"], ["-e", "lab_api_image=***"]),
        (["-e", "sweep={{ lookup('env','hunter2') }}"], ["-e", "sweep=*** ***"]),
        # Environment of the API: names alone.
        (["-e", '{"lab_api_env": {"A": "hunter2", "b c": 1}}'], ["-e", '{"lab_api_env": {"A": "***", "***": "***"}}']),
        (["-e", "lab_api_env={'A':'hunter2'}"], ["-e", "lab_api_env=***"]),
        (["-e", "lab_api_env='{\"A\": \"hunter2\"}'"], ["-e", "lab_api_env=***"]),
        # Each form in which Ansible takes variables.
        (["-e", "@hunter2.yml"], ["-e", "@***"]),
        (["-eapi_key=hunter2"], ["-eapi_key=***"]),
        (["-e=api_key=hunter2"], ["-e=api_key=***"]),
        (["-e@hunter2.json"], ["-e@***"]),
        (["-vve", "api_key=hunter2", "sweep.yml"], ["-vve", "api_key=***", "sweep.yml"]),
        (["-Ke", "x=hunter2"], ["-Ke", "x=***"]),
        (["--extra-vars", "x=hunter2"], ["--extra-vars", "x=***"]),
        (["--extra-vars=x=hunter2"], ["--extra-vars=x=***"]),
        (["--ext", "x=hunter2"], ["--ext", "x=***"]),
        (["--ext=x=hunter2"], ["--ext=x=***"]),
        (["-e", "seed=7 x=hunter2 sweep=a.yml"], ["-e", "seed=7 x=*** sweep=a.yml"]),
        (["-e", "my_token='hunter2 too' seed=2"], ["-e", "my_token=*** seed=2"]),
        (["-e", 'client_secret="a \\"hunter2" seed=2'], ["-e", "client_secret=*** seed=2"]),
        # A word that looks like another variable may be the rest of a password.
        (["-e", "x=a b hunter2= c"], ["-e", "x=*** ***"]),
        (["-e", "hunter2"], ["-e", "***"]),
        (["-e", '{"seed": 7, "db": "hunter2"}'], ["-e", '{"seed": 7, "db": "***"}']),
        (["-e", '{"env": [{"API": {"a": "hunter2"}}]}'], ["-e", '{"env": "***"}']),
        (["-e", "{db: hunter2, seed: 7}"], ["-e", '{"db": "***", "seed": 7}']),
        (["-e", '{"seed": {"a": "hunter2"}}'], ["-e", '{"seed": "***"}']),
        (["-e", "{hunter2 too: 1}"], ["-e", '{"***": "***"}']),
        (["-e", '{"token": "hunter2'], ["-e", "***"]),
        (["-e", "[hunter2]"], ["-e", "***"]),
        (["-e", "{a: !!python/object:hunter2 {}}"], ["-e", "***"]),
        (["-e", "x=1", "-e", "token=hunter2"], ["-e", "x=***", "-e", "token=***"]),
        # Numbers with a unit are kept, others are not.
        (["-e", "token_seconds=60 x_seconds=hunter2 pin=1234"], ["-e", "token_seconds=*** ***"]),
        # Other options: their names.
        (["--ssh-common-args", "-o ProxyCommand='sshpass -p hunter2 x'"], ["--ssh-common-args", "***"]),
        (["--ssh-common-args=-o hunter2"], ["--ssh-common-args=***"]),
        (["--ssh-extra-args", "hunter2", "sweep.yml"], ["--ssh-extra-args", "***", "sweep.yml"]),
        (["-u", "hunter2"], ["-u", "***"]),
        (["-uhunter2"], ["-u***"]),
        (["--user=hunter2"], ["--user=***"]),
        (["--vault-id", "dev@hunter2"], ["--vault-id", "***"]),
        (["--vault-password-file", "hunter2"], ["--vault-password-file", "***"]),
        (["--vault-pass-file=hunter2"], ["--vault-pass-file=***"]),
        (["-K", "--private-key", "hunter2"], ["-K", "--private-key", "***"]),
        (["--key-file=hunter2"], ["--key-file=***"]),
        (["-k", "--conn-pass-file", "hunter2"], ["-k", "--conn-pass-file", "***"]),
        (["--become-password-file", "hunter2"], ["--become-password-file", "***"]),
        (["-M", "hunter2"], ["-M", "***"]),
        (["-i", "me:hunter2@host,"], ["-i", "***"]),
        (["-ime:hunter2@host,"], ["-i***"]),
        # What ansible-playbook does not know today.
        (["--new-option", "hunter2"], ["***", "***"]),
        (["--new-option=hunter2", "sweep.yml"], ["***", "sweep.yml"]),
        (["-Zhunter2"], ["***"]),
        (["hunter2"], ["***"]),
    ],
)  # fmt: skip
def test_of_all_else_the_name_is_kept_at_most(words, stored):
    line, found = stored_words(words)
    assert found == stored
    assert SECRET not in line
    assert restorable(line) == line


@pytest.mark.parametrize("line", [None, 7, ["a"], "", "ansible-playbook 'sweep.yml"])
def test_what_is_no_command_in_an_old_manifest_is_masked(line):
    assert restorable(line) == "***"


def test_a_line_of_an_older_version_loses_what_that_kept():
    old = "ansible-playbook sweep.yml -i inventory/lab -e sweep=sweeps/quick.yml -e DB_PASS=hunter2"
    assert restorable(old) == "ansible-playbook sweep.yml -i inventory/lab -e sweep=sweeps/quick.yml -e 'DB_PASS=***'"


def test_what_is_kept_is_a_setting_that_there_is():
    settings = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/lab.yml").read_text())
    passed_by_verbs = set(re.findall(r"\w+", (ROOT / "lab").read_text()))
    assert {*settings, *passed_by_verbs} >= KEPT_VARIABLES | NAMED_VARIABLES


def test_every_option_of_ansible_playbook_is_known():
    """Else a new option would be taken for one with a value, and swallow the word behind it."""
    # Ansible refuses to be imported where one of them does not block, as some terminals leave it.
    for number in (0, 1, 2):
        os.set_blocking(number, True)
    from ansible.cli.playbook import PlaybookCLI

    cli = PlaybookCLI([sys.argv[0], "x.yml"])
    cli.init_parser()
    for action in cli.parser._actions:
        for option in action.option_strings:
            _, words = stored_words([option, *([] if action.nargs == 0 else ["hunter2"]), "sweep.yml"])
            assert words[0] == option, option
            assert words[-1] == "sweep.yml", option
            assert len(words) == (2 if action.nargs == 0 else 3), option


def test_the_list_of_names_is_in_one_place():
    """Another one would drift away from it."""
    several = re.compile(r"""["'][^"'\n]*(password|passwd)[^"'\n]*\|[^"'\n]*(secret|token)""", re.IGNORECASE)
    files = [path for folder in ("swarmsweep", "plugins", "roles", "app") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 50
    assert [path for path in files if several.search(path.read_text())] == []
