"""Without ``fcntl``, ``resource``, SIGHUP and ``fork``, as on Windows, a sweep trains here.

The four are hidden in a process of its own; the rest of it stays Linux.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import lossweights

WITHOUT = """
import os, signal, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in ("fcntl", "resource"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
del signal.SIGHUP, os.fork
"""

EVERY_MODULE = """
import importlib, pkgutil, lossweights
for module in pkgutil.walk_packages(lossweights.__path__, "lossweights."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""

SWEEP = """
import sys
from pathlib import Path
import keras
import lossweights as lw
sys.path.insert(0, TINY)
from tiny import arguments

sweep = lw.Sweep(**arguments())
options = {"root": Path("mlruns"), "quiet": True, "trainer": "serial"}
if __name__ == "__main__":
    first = sweep.run(2, workers=0, **options)
    result = sweep.run(4, resume=True, tracking=False, **options)
    ended = [finished.result.outcome.name for finished in result.finished.values()]
    assert ended == ["COMPLETE"] * 4
    assert result.best("knee").weights
    assert lw.load("tiny@knee", root="mlruns").weights
    from lossweights.results.status import read_status
    assert not read_status(Path("mlruns"), "tiny").running
"""

LOCK = """
import subprocess
from pathlib import Path
from lossweights.base.errors import SweepLocked
from lossweights.results.locks import exclusive_lock, is_held

lock = Path("lock")
if len(sys.argv) > 1:
    with exclusive_lock(lock, "The sweep"):
        print("held", flush=True)
        sys.stdin.read()
else:
    other = subprocess.Popen(
        [sys.executable, __file__, "hold"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert other.stdout.readline() == "held\\n"
    try:
        with exclusive_lock(lock, "The sweep"):
            raise AssertionError("two hold it")
    except SweepLocked as error:
        assert f"process {other.pid} on " in str(error), error
    assert is_held(lock)
    other.kill()
    other.communicate()
    assert not is_held(lock)
    with exclusive_lock(lock, "The sweep"):
        assert is_held(lock)
"""


def run(folder, code):
    """Run code in a process that has none of the four."""
    script = folder / "script.py"
    script.write_text(WITHOUT + code)
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(lossweights.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=250,
    )


@pytest.mark.parametrize(
    "code",
    [LOCK, f"{EVERY_MODULE}\nTINY = {str(Path(__file__).parent)!r}\n{SWEEP}"],
    ids=["a lock", "a sweep"],
)
def test_without_posix(tmp_path, code):
    """A lock is one process's and dies with it; all modules load, a sweep is run and resumed."""
    done = run(tmp_path, code)
    assert done.returncode == 0, done.stderr
