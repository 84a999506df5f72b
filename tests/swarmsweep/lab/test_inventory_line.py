"""One line of an inventory is changed, and nothing else of the file."""

import os
from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.lab.inventory_line import inventory_to_change, set_line

NAME = "lab_api_image"
SHIPPED = Path(__file__).parents[3] / "inventory/lab/group_vars/all/lab.yml"

VAULT = "a: !vault |\n  $ANSIBLE_VAULT;1.1\n"
# Text before, what Ansible has, and the text after.
CHANGED = [
    ('a: 1\nlab_api_image: ""  # why\n# end\n', "", "a: 1\nlab_api_image: my-api:1  # why\n# end\n"),
    ("lab_api_image: 'old:1'\r\nb: 2\r\n", "old:1", "lab_api_image: my-api:1\r\nb: 2\r\n"),
    ("lab_api_image: old:1", "old:1", "lab_api_image: my-api:1"),
    ("lab_api_image:\nb: 2\n", "", "lab_api_image: my-api:1\nb: 2\n"),
    ("a: {x: [1, 2]}", "", "a: {x: [1, 2]}\nlab_api_image: my-api:1\n"),
    ("", "", "lab_api_image: my-api:1\n"),
    (f"{VAULT}lab_api_image: x\n", "x", f"{VAULT}lab_api_image: my-api:1\n"),
    ("# lab_api_image: no\nlab_api_image: x\n", "x", "# lab_api_image: no\nlab_api_image: my-api:1\n"),
]  # fmt: skip
REFUSED = [
    ("lab_api_image: a\nlab_api_image: b\n", "b", "lab_api_image is in lines 1, 2; allowed: once"),
    ("lab_api_image: '{{ x }}'\n", "y", "lab.yml:1: lab_api_image is the template '{{ x }}', so it is not replaced"),
    ("lab_api_image: >-\n  a\n", "a", "lab.yml:1: lab_api_image is not a text on one line"),
    ("lab_api_image: [a]\n", "a", "lab.yml:1: lab_api_image is not a text on one line"),
    ("lab_api_image: a\n", "b", "lab_api_image is 'a', but Ansible has 'b', so it is set elsewhere"),
    ("a: 1\n", "b", "lab_api_image is not set, but Ansible has 'b'"),
    ("a: [\n", "", "is not valid YAML"),
    ("- a\n", "", "holds no settings"),
    ("{a: 1}\n", "", "cannot be changed without other changes to the file"),
]


def write(folder: Path, text: str) -> Path:
    file = folder / "group_vars/all/lab.yml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize(("before", "effective", "after"), CHANGED)
def test_only_the_value_changes(tmp_path, before, effective, after):
    file = write(tmp_path, before)
    file.chmod(0o640)
    changed = set_line(tmp_path, NAME, "my-api:1", effective)
    assert file.read_bytes().decode() == after
    assert (changed.after, file.stat().st_mode & 0o777) == ("my-api:1", 0o640)


def test_a_private_file_is_never_readable_for_others(tmp_path, monkeypatch):
    file = write(tmp_path, 'lab_api_image: ""\n')
    file.chmod(0o600)
    owner = (1234, 1234) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(file, *owner)
    seen = []
    replace = Path.replace

    def look_and_replace(path, target):
        seen.append(path.stat())
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", look_and_replace)
    set_line(tmp_path, NAME, "my-api:1", "")
    for status in (*seen, file.stat()):
        assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o600, *owner)
    assert len(seen) == 1


@pytest.mark.parametrize(("text", "effective", "message"), REFUSED)
def test_what_would_have_no_effect_or_change_more_is_refused(tmp_path, text, effective, message):
    file = write(tmp_path, text)
    with pytest.raises(InputError) as refused:
        set_line(tmp_path, NAME, "my-api:1", effective)
    assert message in str(refused.value)
    assert file.read_bytes().decode() == text


def test_a_tag_that_yaml_reads_as_a_number_is_quoted(tmp_path):
    file = write(tmp_path, 'lab_api_image: ""\n')
    set_line(tmp_path, NAME, "1:20", "")
    assert file.read_text() == 'lab_api_image: "1:20"\n'


def test_the_shipped_inventory(tmp_path):
    file = write(tmp_path, SHIPPED.read_text())
    assert set_line(tmp_path, NAME, "my-api:1", "").sentence() == f"{file}: {NAME} is now my-api:1 (before: '')"
    pairs = zip(SHIPPED.read_text().split("\n"), file.read_text().split("\n"), strict=True)
    assert [pair for pair in pairs if pair[0] != pair[1]] == [('lab_api_image: ""', "lab_api_image: my-api:1")]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read: No such file .* Write it yourself: lab_api_image"):
        set_line(tmp_path / "hosts.yml", NAME, "my-api:1", "")


def test_an_inventory_file_has_its_settings_beside_it(tmp_path):
    write(tmp_path, 'lab_api_image: ""\n')
    (tmp_path / "hosts.yml").write_text("")
    assert set_line(tmp_path / "hosts.yml", NAME, "my-api:1", "").after == "my-api:1"


def test_of_several_inventories_the_last_one_that_has_the_setting_is_changed(tmp_path):
    sources = [tmp_path / name for name in ("first", "second", "more", "hosts")]
    for source, text in zip(sources, (f"{NAME}: a\n", f"{NAME}: b\n", "a: 1\n"), strict=False):
        write(source, text)
    given = [*map(str, sources), "h1,h2"]
    assert inventory_to_change(given, NAME).endswith("/second")
    assert inventory_to_change([given[0], given[2]], NAME).endswith("/first")
    assert inventory_to_change(given[:1], NAME).endswith("/first")
    # No file has it: it is added to the last one with settings.
    assert inventory_to_change(given, "lab_other").endswith("/more")
    write(tmp_path / "torn", "a: [\n")
    assert inventory_to_change([given[2], str(tmp_path / "torn")], NAME).endswith("/torn")
