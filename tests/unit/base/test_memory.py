"""What is known of the memory, what is taken where the system does not tell, and amounts of it."""

import mmap
import os
import sys

import pytest

from lossweights.base import _control_groups, memory
from lossweights.base.errors import RecipeError

UNLIMITED = "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:   4194304 kB\n"


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Sets what files of the kernel say; those that are left out are not there."""

    def says(meminfo=None, groups=None, **files):
        texts = {"/proc/meminfo": meminfo, "/proc/self/cgroup": groups}
        real = memory.Path.read_text

        def read(path, *args, **kwargs):
            if str(path) not in texts:
                return real(path, *args, **kwargs)
            if texts[str(path)] is None:
                raise FileNotFoundError(path)
            return texts[str(path)]

        monkeypatch.setattr(memory.Path, "read_text", read)
        monkeypatch.setattr(_control_groups, "GROUPS", tmp_path)
        for name, text in files.items():
            path = tmp_path.joinpath(*name.split("__"))
            path.parent.mkdir(parents=True, exist_ok=True)
            suffix = {"limit": "limit_in_bytes", "usage": "usage_in_bytes"}
            path.with_name(f"memory.{suffix.get(path.name, path.name)}").write_text(text)

    return says


def test_memory_is_read_in_bytes(system):
    """The kernel counts in kibibytes."""
    system("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:   512 kB\n")
    assert memory.total_bytes() == 2 << 20
    assert memory.free_bytes() == 1 << 19


@pytest.mark.parametrize("text", [None, "", "MemTotal:\nMemAvailable: much kB\n"])
def test_where_the_system_does_not_tell_a_guess_is_taken(system, text):
    """What is free is guessed, what there is in all is not."""
    system(text)
    assert memory.total_bytes() is None
    assert memory.free_bytes() == memory.DEFAULT_FREE


@pytest.mark.parametrize("path", ["/", "/jobs/7"])
def test_a_container_has_what_its_group_allows(system, path):
    """Files that the kernel keeps count as free; a group above limits the one below."""
    system(UNLIMITED, f"0::{path}\n", max="1073741824\n", current="536870912\n",
           stat="anon 1\ninactive_file 268435456\n", jobs__max="max\n", jobs__current="5\n",
           jobs__stat="anon 1\n")  # fmt: skip
    assert memory.total_bytes() == 1 << 30
    assert memory.free_bytes() == (1 << 30) - (1 << 28)


def test_a_container_of_the_first_kind(system):
    """Its files have other names; one that is full leaves nothing, not less."""
    system(UNLIMITED, "3:cpuset:/\n4:cpu,memory:/box\n0::/\n", memory__box__limit="1048576",
           memory__box__usage="2097152", memory__box__stat="total_inactive_file 0\n")  # fmt: skip
    assert memory.total_bytes() == 1 << 20
    assert memory.free_bytes() == 0


def test_a_group_that_limits_nothing_changes_nothing(system):
    """The first kind writes a number larger than any memory, the second a word."""
    huge = str(2**63 - 4096)
    system(UNLIMITED, "4:memory:/\n0::/gone\n", memory__limit=huge, memory__usage="9",
           memory__stat="", max="max", current="9", stat="")  # fmt: skip
    assert (memory.total_bytes(), memory.free_bytes()) == (8 << 30, 4 << 30)


def test_this_process_holds_memory():
    """More once it has filled a large piece."""
    before = memory.held_bytes()
    piece = b"x" * (64 << 20)
    assert memory.held_bytes() > before + (len(piece) >> 1)


@pytest.mark.skipif(sys.platform != "linux", reason="no files without a name here")
def test_what_several_processes_share_is_none_of_their_own():
    """A file without a name, mapped, is held and not its own; a piece of memory is both."""
    held, own = memory.held_bytes(), memory.own_bytes()
    file, size = os.memfd_create("shared"), 64 << 20
    os.ftruncate(file, size)
    with mmap.mmap(file, size) as shared:
        os.close(file)
        shared.write(b"x" * size)
        assert memory.held_bytes() > held + size // 2
        assert memory.own_bytes() < own + size // 2
    piece = b"x" * size
    assert memory.own_bytes() > own + len(piece) // 2


def test_where_the_system_does_not_tell_all_is_its_own(monkeypatch):
    """As on systems that have no such files."""

    def nothing(path, *args, **kwargs):
        raise FileNotFoundError(path)

    monkeypatch.setattr(memory, "held_bytes", lambda: 7)
    monkeypatch.setattr(memory.Path, "read_text", nothing)
    assert memory.own_bytes() == 7


@pytest.mark.parametrize(
    ("written", "amount"),
    [("8G", 8 << 30), ("8 GB", 8 << 30), ("8gib", 8 << 30), ("1.5k", 1536), ("800M", 800 << 20),
     ("2T", 2 << 40), ("123", 123), ("7b", 7), (4096, 4096)],
)  # fmt: skip
def test_amounts(written, amount):
    """A number, and a letter for the power of 1024."""
    assert memory.bytes_of("memory", written) == amount


@pytest.mark.parametrize(
    "value", ["", "G", "-1G", "8X", "0", 0, -5, True, None, float("inf"), "1e9"]
)
def test_what_is_no_amount_is_refused(value):
    """With what was found."""
    with pytest.raises(RecipeError, match="Expected memory"):
        memory.bytes_of("memory", value)
