"""What .dockerignore leaves out, as Docker's documentation and its tests have it, and what is sent."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from hostlink.build_context import ContextError, context_of, ignored, parse_rules

# Rules, a path, and whether Docker leaves the path out.
CASES = [
    ("*/temp*", "somedir/temporary.txt", True),
    ("*/temp*", "somedir/temp", True),
    ("*/temp*", "temp", False),
    ("*/*/temp*", "somedir/subdir/temporary.txt", True),
    ("temp?", "tempa", True),
    ("temp?", "temp", False),
    ("temp?", "tempab", False),
    ("*.md\n!README.md", "README.md", False),
    ("*.md\n!README.md", "OTHER.md", True),
    ("*.md", "docs/OTHER.md", False),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
    ("**/*.go", "a/b/c.go", True),
    ("**/*.go", "c.go", True),
    ("**", "a/b", True),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("# comment\n\n  .venv  ", ".venv/lib/python3", True),
    ("/build/", "build/x", True),
    ("./build", "build", True),
    ("[a-c].txt", "b.txt", True),
    ("[^a-c].txt", "b.txt", False),
    (r"a\*b", "a*b", True),
    (r"a\*b", "axb", False),
    ("a.b", "axb", False),
    ("..", "x", False),
    ("[", "[", True),
    ("node_modules", "x/node_modules", False),
    ("**/node_modules", "x/node_modules/y", True),
]


@pytest.mark.parametrize(("rules", "path", "expected"), CASES)
def test_rules(rules, path, expected):
    assert ignored(path, parse_rules(rules)) is expected


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "My_API"
    (folder / "model").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "kept").mkdir()
    (folder / "Dockerfile").write_text("FROM x\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o750)
    (folder / "model/m.bin").write_bytes(os.urandom(3 << 20))
    (folder / "model/latest").symlink_to("m.bin")
    os.link(folder / "model/m.bin", folder / "model/same.bin")
    (folder / "kept/a").write_text("a")
    (folder / "kept/b").write_text("b")
    return folder


def test_docker_takes_the_archive_for_one(folder):
    # As Docker's archive.IsArchive: without what follows, the first 512 bytes are the header of a file.
    first = b"".join(context_of(folder).archive())[: tarfile.BLOCKSIZE]
    member = tarfile.TarInfo.frombuf(first, "utf-8", "surrogateescape")
    assert (member.name, member.type) == ("Dockerfile", tarfile.REGTYPE)


def test_the_archive_unpacks_to_the_same_files(folder, tmp_path):
    (folder / ".dockerignore").write_text("kept\n!kept/a\nDockerfile\n")
    context = context_of(folder)
    assert (context.files, context.left_out) == (7, 1)
    with tarfile.open(fileobj=io.BytesIO(b"".join(context.archive()))) as archive:
        assert {(member.uid, member.gid, member.uname) for member in archive} == {(0, 0, "")}
        archive.extractall(tmp_path / "out")
    out = tmp_path / "out"
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    # The Dockerfile is sent even if a rule names it, because the build needs it.
    assert found == [
        ".dockerignore", "Dockerfile", "empty", "kept", "kept/a", "model", "model/latest", "model/m.bin",
        "model/same.bin", "run.sh",
    ]  # fmt: skip
    for name in ("model/m.bin", "model/same.bin", "run.sh"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    assert (out / "run.sh").stat().st_mode & 0o111
    assert (out / "model/latest").readlink().name == "m.bin"


def change_nothing(folder):
    os.utime(folder / "run.sh", (1, 1))


def change_an_ignored_file(folder):
    (folder / "kept/b").write_text("other")


def change_content(folder):
    (folder / "run.sh").write_text("#!/bin/bash\n")


def make_not_executable(folder):
    (folder / "run.sh").chmod(0o640)


def turn_the_link(folder):
    (folder / "model/latest").unlink()
    (folder / "model/latest").symlink_to("same.bin")


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (change_nothing, False),
        (change_an_ignored_file, False),
        (change_content, True),
        (make_not_executable, True),
        (turn_the_link, True),
    ],
)
def test_the_tag_names_the_content(folder, change, differs):
    (folder / ".dockerignore").write_text("kept/b\n")
    before = context_of(folder).tag()
    assert before.startswith("my-api:")
    change(folder)
    assert (context_of(folder).tag() != before) is differs


def test_a_folder_without_dockerfile_is_refused(tmp_path):
    with pytest.raises(ContextError, match="has no file Dockerfile; allowed: a folder with one, or the name of an"):
        context_of(tmp_path)


def test_a_pattern_that_is_not_valid_is_refused():
    with pytest.raises(ContextError, match=r"^\.dockerignore: 'a\[z-a\]' is not a pattern: .*\. Correct it$"):
        parse_rules("*.log\na[z-a]\n")
