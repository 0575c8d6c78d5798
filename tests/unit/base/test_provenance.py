"""Who launched a sweep, and of which commit its script is."""

import getpass
import os
import shutil
import subprocess

import pytest

from lossweights.base.provenance import commit_of, user_name


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script in a repository with one commit, and that commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    path = tmp_path / "sweeps" / "demand.py"
    path.parent.mkdir()
    path.write_text("sweep = 1\n")
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "."], [*me, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    said = ["git", "-C", str(tmp_path), "rev-parse", "HEAD"]
    return path, subprocess.run(said, check=True, capture_output=True, text=True).stdout.strip()


def test_a_committed_script_has_its_commit(script):
    """Whatever else is changed in the repository."""
    path, commit = script
    (path.parent / "notes.txt").write_text("new")
    assert commit_of(path) == (commit, True)


def test_a_changed_script_is_said_to_differ(script):
    """The commit alone would be of something else."""
    path, commit = script
    path.write_text("sweep = 2\n")
    assert commit_of(path) == (commit, False)
    other = path.with_name("new.py")
    other.write_text("sweep = 3\n")
    assert commit_of(other) == (commit, False)


def test_without_repository_or_git_there_is_no_commit(tmp_path, monkeypatch):
    """Neither is an error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_of(tmp_path / "demand.py")[0] is None
    monkeypatch.setenv("PATH", "")
    assert commit_of(tmp_path / "demand.py")[0] is None


def test_a_user_without_a_name_is_nobody(monkeypatch):
    """As in a container that has no table of users."""
    assert user_name() == getpass.getuser()

    def unknown():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert user_name() is None
