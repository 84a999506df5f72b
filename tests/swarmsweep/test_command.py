"""No secret of a command line reaches a file, and everything else does."""

import shlex

import pytest

from swarmsweep.command import storable


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (["sweep.yml"], ["sweep.yml"]),
        (["-i", "inventory/lab", "--tags", "key=1"], ["-i", "inventory/lab", "--tags", "key=1"]),
        (["-e", "sweep=sweeps/quick.yml"], ["-e", "sweep=sweeps/quick.yml"]),
        (["-e", "@file.yml"], ["-e", "@file.yml"]),
        (["-e", "db_password=hunter2"], ["-e", "db_password=***"]),
        (["-e", "a=1 PASSWD=hunter2 b=2"], ["-e", "a=1 PASSWD=*** b=2"]),
        (["-e", "my_token='hunter2 too' b=2"], ["-e", "my_token=*** b=2"]),
        (["-e", 'client_secret="a \\"hunter2" b=2'], ["-e", "client_secret=*** b=2"]),
        (["-e", "api_key=hunter2=="], ["-e", "api_key=***"]),
        (["-eapi_key=hunter2"], ["-eapi_key=***"]),
        (["-vve", "api_key=hunter2", "sweep.yml"], ["-vve", "api_key=***", "sweep.yml"]),
        (["--extra-vars", "api_key=hunter2"], ["--extra-vars", "api_key=***"]),
        (["--extra-vars=api_key=hunter2"], ["--extra-vars=api_key=***"]),
        (["--extra", "api_key=hunter2"], ["--extra", "api_key=***"]),
        (["-e", '{"seed": 7, "db_password": "hunter2"}'], ["-e", '{"seed": 7, "db_password": "***"}']),
        (["-e", '{"env": [{"API_KEY": {"a": "hunter2"}}]}'], ["-e", '{"env": [{"API_KEY": "***"}]}']),
        (["-e", "{token: hunter2, seed: 7}"], ["-e", '{"token": "***", "seed": 7}']),
        (["-e", '{"token": "hunter2'], ["-e", "***"]),
        (["-e", "env={'API_TOKEN':'hunter2','A':'b'}"], ["-e", "env={'API_TOKEN':'***','A':'b'}"]),
        (["-e", 'env=\'{"API_TOKEN": "hunter2"}\''], ["-e", 'env=\'{"API_TOKEN": "***"}\'']),
        (["-e", "env='{API_TOKEN: hunter2/3, A: b}'"], ["-e", "env='{API_TOKEN: ***, A: b}'"]),
        (["-e", "url=http://me:hunter2@host:5000/x"], ["-e", "url=http://me:***@host:5000/x"]),
        (["-e", "url=http://host:5000/x?a:b"], ["-e", "url=http://host:5000/x?a:b"]),
        (["-e", "a=1", "-e", "token=hunter2"], ["-e", "a=1", "-e", "token=***"]),
    ],
)
def test_secrets_are_masked_by_their_names(words, stored):
    line = storable(["/opt/bin/ansible-playbook", *words])
    assert shlex.split(line) == ["ansible-playbook", *stored]
    assert "hunter2" not in line
