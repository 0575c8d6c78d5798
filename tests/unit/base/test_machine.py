"""What is known of the machine, and what is taken where the system does not tell."""

import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import joblib
import pytest
from joblib.externals.loky.backend import context as loky

from lossweights.base import _control_groups, machine

CORES = 64
ROOT = "0::/\n1:cpu,cpuacct:/\n"


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A machine of many cores; sets what files of the kernel say of groups, to joblib as well."""
    monkeypatch.setattr(os, "cpu_count", lambda: CORES)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)), raising=False)
    monkeypatch.setattr(_control_groups, "GROUPS", tmp_path)
    read, exists = Path.read_text, os.path.exists

    def says(groups=ROOT, **files):
        def read_text(path, *args, **kwargs):
            if str(path) == "/proc/self/cgroup":
                if groups is None:
                    raise FileNotFoundError(path)
                return groups
            return read(path, *args, **kwargs)

        monkeypatch.setattr(Path, "read_text", read_text)
        for name, text in files.items():
            *folders, file = name.split("__")
            path = tmp_path.joinpath(*folders, file.replace("cpu_", "cpu.", 1))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def there(path):
        return str(path).replace("/sys/fs/cgroup", str(tmp_path))

    monkeypatch.setattr(
        loky, "open", lambda path: io.StringIO(read(Path(there(path)))), raising=False
    )
    monkeypatch.setattr(loky.os.path, "exists", lambda path: exists(there(path)))
    return says


def test_no_more_cores_than_there_are():
    """The process may be bound to some of them."""
    assert 1 <= machine.available_cores() <= machine.bound_cores() <= os.cpu_count()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, CORES),
        ({"cpu_max": "max 100000\n"}, CORES),
        ({"cpu_max": "200000 100000\n"}, 2),
        ({"cpu_max": "150000 100000\n"}, 2),
        ({"cpu_max": "5000 100000\n"}, 1),
        ({"cpu_max": "9900000 100000\n"}, CORES),
        ({"cpu__cpu_cfs_quota_us": "-1\n", "cpu__cpu_cfs_period_us": "100000\n"}, CORES),
        ({"cpu__cpu_cfs_quota_us": "250000\n", "cpu__cpu_cfs_period_us": "100000\n"}, 3),
        ({"cpu__cpu_cfs_quota_us": "25000\n", "cpu__cpu_cfs_period_us": "50000\n"}, 1),
    ],
)  # fmt: skip
def test_f40_a_container_has_the_cores_that_its_quota_allows(system, files, cores):
    """Of the second kind of groups and of the first; parts of a core count; as joblib counts."""
    system(**files)
    assert machine.available_cores() == joblib.cpu_count() == cores
    assert machine.bound_cores() == CORES


def test_the_smallest_quota_on_the_way_up_counts(system):
    """A job has a group within that of its user, and both may have a quota; joblib sees neither."""
    system("0::/user/job\n", user__job__cpu_max="max 100000\n", user__cpu_max="300000 100000\n",
           cpu_max="800000 100000\n")  # fmt: skip
    assert machine.available_cores() == 3
    system("7:cpuacct,cpu:/job\n", cpu__job__cpu_cfs_quota_us="400000\n",
           cpu__job__cpu_cfs_period_us="100000\n")  # fmt: skip
    assert machine.available_cores() == 4


@pytest.mark.parametrize("groups", [None, ROOT, "0::/gone\n"])
def test_where_no_file_tells_of_a_quota_there_is_none(system, groups):
    """Another system; a group without the files; one that only the host has."""
    system(groups)
    assert machine.available_cores() == CORES


@pytest.mark.parametrize("text", ["", "much 100000", "100000", "0 100000", "100000 0"])
def test_what_is_no_quota_limits_nothing(system, text):
    """Whatever a kernel to come may write."""
    system(cpu_max=text)
    assert machine.available_cores() == CORES


JOINS = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
from lossweights.base.machine import available_cores
print(available_cores())
"""


@pytest.fixture
def half_a_core():
    """A group with a quota of half a core, where this user may make groups."""
    name = f"lossweights-test-{os.getpid()}"
    for parent, texts in (
        (Path("/sys/fs/cgroup"), {"cpu.max": "50000 100000"}),
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}),
    ):
        with suppress(OSError):
            (parent / "cgroup.procs").stat()  # of a file system of groups, no other folder
            (parent / name).mkdir()
            try:
                for file, text in texts.items():
                    (parent / name / file).write_text(text)
                yield parent / name
                return
            finally:
                (parent / name).rmdir()
    pytest.skip("this user may make no group")


@pytest.mark.skipif(machine.bound_cores() < 2, reason="a single core cannot be limited to fewer")
def test_f40_a_real_group_with_a_quota(half_a_core):
    """Half a core leaves one of several to the processes in it."""
    command = [sys.executable, "-c", JOINS, str(half_a_core / "cgroup.procs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_the_processor_has_a_name():
    """The same every time, so that rates are found again."""
    assert machine.processor() == machine.processor()
    assert isinstance(machine.processor(), str)
