"""The repository holds text: what is built or downloaded is made again, not kept."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURES = Path("docs/images")  # the one place for files that are no text
# Some of these can be text by chance, and all are made or fetched by a program.
MADE = {".whl", ".zip", ".gz", ".so", ".pyc", ".keras", ".h5", ".npz", ".npy", ".png", ".pkl"}


def tracked(root):
    """Every file that git keeps below a folder, relative to it; None where git keeps nothing."""
    if not (root / ".git").exists():  # a repository further up is not about these files
        return None
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    paths = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if (root / path).is_file()]


def binary(root, paths):
    """Those files that are not text, or end like one that a program makes."""
    return [
        path
        for path in paths
        if not path.is_relative_to(PICTURES)
        and (path.suffix.lower() in MADE or not is_text((root / path).read_bytes()))
    ]


def is_text(content):
    """Whether bytes are UTF-8 without NUL, by which git too tells text."""
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def test_no_binary_file_is_kept():
    """Outside the documentation's pictures, git keeps text alone."""
    paths = tracked(ROOT)
    if paths is None:
        pytest.skip("a source tree without git does not say which files it keeps")
    assert Path("pyproject.toml") in paths
    assert binary(ROOT, paths) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tool-1.0-py3-none-any.whl", b"text by chance"),
        ("docs/PLOT.PNG", b""),
        ("docs/images.txt", b"a\0b"),
        ("sweeps/data.csv", b"caf\xe9"),
        ("docs/image/plot", b"\x89PNG\r\n"),
    ],
)
def test_binary_file_is_found(tmp_path, name, content):
    """A file is told by its ending or by its bytes, wherever it lies."""
    write(tmp_path, name, content)
    assert binary(tmp_path, [Path(name)]) == [Path(name)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("docs/images/front.png", b"\x89PNG\r\n\0"),
        ("README.md", "± in UTF-8".encode()),
        ("lossweights/py.typed", b""),
    ],
)
def test_text_and_pictures_are_let_be(tmp_path, name, content):
    """Text may have any sign and may be empty; pictures of the documentation are wanted."""
    write(tmp_path, name, content)
    assert binary(tmp_path, [Path(name)]) == []


def test_only_what_git_keeps_counts(tmp_path):
    """A file that git does not keep is nobody's concern, and one that was deleted none either."""
    assert tracked(tmp_path) is None
    for name in ("kept.py", "gone.py", "own.whl"):
        write(tmp_path, name, b"x = 1\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "kept.py", "gone.py"], cwd=tmp_path, check=True)
    (tmp_path / "gone.py").unlink()
    assert tracked(tmp_path) == [Path("kept.py")]


def write(root, name, content):
    """Make a file and the folders above it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
