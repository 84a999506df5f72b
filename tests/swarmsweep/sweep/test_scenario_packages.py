"""Packages of the scenarios: the files that name them, and their versions, from what the load hosts printed."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.scenario_packages import common_packages, packages_hash

FIRST = ["changed", "numpy==2.3.1", "rows @ file:///opt/swarmsweep/locust/locustfiles/rows-1.0-py3-none-any.whl"]
WHEEL = "file:///opt/swarmsweep/locust/locustfiles/rows-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("printed", "versions"),
    [
        ({"a": ["unchanged"]}, {}),
        ({"a": []}, {}),
        ({"a": FIRST}, {"numpy": "2.3.1", "rows": WHEEL}),
        ({"a": ["rows @ https://me:s3cret@a/rows.whl?key=s3cret"]}, {"rows": "https://***@a/rows.whl?***"}),
        ({"a": FIRST, "b": ["unchanged", *reversed(FIRST[1:])]}, {"numpy": "2.3.1", "rows": WHEEL}),
    ],
)
def test_versions_by_name(printed, versions):
    assert common_packages(printed) == versions


def test_hosts_that_differ_are_named_with_both_versions():
    with pytest.raises(InputError) as refused:
        common_packages({"a": FIRST, "b": ["numpy==2.4.0", FIRST[2], "pillow==12.0"]})
    message = str(refused.value)
    assert "numpy (a has 2.3.1, b has 2.4.0), pillow (a has none, b has 12.0)" in message
    assert "rows" not in message and "as numpy==1.0" in message


@pytest.fixture
def folder(tmp_path):
    """A folder of scenarios whose requirements file names others, in all spellings."""
    files = {
        "requirements.txt": (
            "numpy==2.3.1\n-r base.in  # first\n--requirement=sub/a.txt\n-cc.txt\n--constraint \\\n  d.txt\n"
        ),
        "base.in": "-r 'with space.in'\n-r requirements.txt\n-r gone.txt\n",
        "with space.in": "pillow\n",
        "sub/a.txt": "-r b.txt\n",
        "sub/b.txt": "rows\n",
        "c.txt": "rows<2\n",
        "d.txt": "pillow<13\n",
        "sub/rows-1.0-py3-none-any.whl": "wheel",
        "mine.py": "import numpy\n",
        "other.txt": "not named\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *((name, True) for name in ("requirements.txt", "base.in", "with space.in", "sub/a.txt", "sub/b.txt", "c.txt")),
        *((name, True) for name in ("d.txt", "sub/rows-1.0-py3-none-any.whl", "gone.txt")),
        *((name, False) for name in ("mine.py", "other.txt")),
    ],
)
def test_packages_are_installed_again_after_a_change_of_what_names_them(folder, name, counts):
    before = packages_hash(folder)
    assert packages_hash(folder) == before
    with (folder / name).open("a") as file:
        file.write("# changed\n")
    assert (packages_hash(folder) != before) is counts


def test_a_requirements_file_at_an_address_is_refused(folder):
    (folder / "sub/b.txt").write_text("-r https://me:s3cret@host/more.txt\n")
    with pytest.raises(InputError, match=r"names the file https://\*\*\*@host/more\.txt, which may change at any time"):
        packages_hash(folder)


def test_a_folder_without_packages_has_a_hash(tmp_path):
    assert packages_hash(tmp_path) == packages_hash(tmp_path / "missing")
