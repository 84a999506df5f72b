"""The action api_settings: no output has the variables of a container, and the roles still get them."""

import sys

import yaml

CANARY = "canary-7c2d"


def test_no_output_has_a_variable(play, tmp_path):
    (tmp_path / "token").write_text(f"{CANARY}\n")
    secrets = {"secrets": {"API_TOKEN": str(tmp_path / "token")}}
    settings = {"image": "a:1", "env": {"MODE": CANARY}, "services": {"db": {"image": "b:1", "env": {"PW": CANARY}}}}
    read = {"settings": settings | secrets, "lab_name": "lab", "key_file": f"{tmp_path}/environment.key"}
    values = "read.container.env.MODE, read.container.services[0].env.PW, read.hidden_texts[0] | b64decode | trim"
    kept = f"{{{{ [{values}] | unique | map('hash', 'sha1') | list }}}}"
    tasks = [
        {"api_settings": read, "register": "read"},
        {
            "ansible.builtin.copy": {"dest": f"{tmp_path}/kept", "content": "{{ found | to_json }}"},
            "vars": {"found": kept},
        },
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": own}}}))
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert len(yaml.safe_load((tmp_path / "kept").read_text())) == 1


def test_a_date_of_the_environment_keeps_its_text(play, tmp_path):
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all").mkdir()
    (tmp_path / "group_vars/all/lab.yml").write_text("lab_api_env: {DAY: 2024-01-01}\nlab_api_user: 2024-01-01\n")
    settings = {"env": "{{ lab_api_env }}", "user": "{{ given_user }}"}
    read = {"settings": settings, "lab_name": "lab", "key_file": f"{tmp_path}/environment.key"}
    tasks = [
        {"api_settings": read, "register": "read"},
        {"ansible.builtin.assert": {"that": "read.container.env == {'DAY': '2024-01-01'}"}},
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": own}}}))
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-e", "given_user=me")
    assert done.returncode == 0, done.stdout + done.stderr
    refused = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-e", "given_user={{ lab_api_user }}")
    assert "lab_api_user is datetime.date(2024, 1, 1); allowed: " in refused.stdout


def test_of_two_inventories_the_text_is_that_of_the_one_with_the_setting(play, tmp_path):
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    for name, text in (("first", "lab_api_env: {VERSION: 1.10}\n"), ("more", "lab_api_port: 9000\n")):
        (tmp_path / name / "group_vars/all").mkdir(parents=True)
        (tmp_path / name / "group_vars/all/lab.yml").write_text(text)
        (tmp_path / name / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": own}}}))
    read = {"settings": {"env": "{{ lab_api_env }}"}, "lab_name": "lab", "key_file": f"{tmp_path}/environment.key"}
    tasks = [
        {"api_settings": read, "register": "read"},
        {"ansible.builtin.assert": {"that": "read.container.env == {'VERSION': '1.10'}"}},
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = play(tmp_path / "play.yml", tmp_path / "first", "-i", str(tmp_path / "more"))
    assert done.returncode == 0, done.stdout + done.stderr
