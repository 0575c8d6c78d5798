"""F37: scripts of all shapes, the number of workers left to us: with workers if they can.

A worker loads the sweep before anything is written, so that a sweep which none can load trains in
its own process, or is refused and leaves nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lossweights
from lossweights.results.folder import list_results, sweep_folder

pytestmark = pytest.mark.faults

# Two workers are what it would choose, and every trial says in which process it was.
HEAD = """
import os
from pathlib import Path
from dataclasses import replace
from lossweights.testing import FakeSweep

HERE = Path(os.environ["HERE"])

def during(member, epoch):
    (HERE / f"process-{os.getpid()}").touch()

class Wide(FakeSweep):
    def prepare(self, *, rehearse):
        prepared = super().prepare(rehearse=rehearse)

        class Choosing(type(prepared)):
            def choose(self, request):
                return super().choose(replace(request, least=2))

        return Choosing(**vars(prepared))

"""
RUN = "root='mlruns', tracking=False, quiet=True"

WITH_WORKERS = {
    "two sweeps": f"""
one = Wide("one", during=during)
two = Wide("two", during=during, epochs=5)
if __name__ == "__main__":
    one.run(3, {RUN})
    two.run(3, {RUN})
""",
    "a loop that forgets": f"""
def go(sweep):
    if __name__ == "__main__":
        sweep.run(3, {RUN})

for epochs, name in enumerate(("one", "two"), 2):
    sweep = Wide(name, during=during, epochs=epochs)
    go(sweep)
""",
    "argparse": f"""
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
sweep = Wide("one", during=during, epochs=parser.parse_args().epochs)
if __name__ == "__main__":
    sweep.run(3, {RUN})
""",
}
CARRIED = {
    "made in the main part": f"""
if __name__ == "__main__":
    for name in ("one", "two"):
        sweep = Wide(name, during=during)
        sweep.run(3, {RUN})
""",
    "changed in the main part": f"""
sweep = Wide("one", during=during)
if __name__ == "__main__":
    sweep._epochs = 7
    sweep.run(3, {RUN})
""",
    "no main part": f"""
sweep = Wide("one", during=during)
sweep.run(3, {RUN})
""",
    "in a function": f"""
def main(here):
    def during(member, epoch):
        (here / f"process-{{os.getpid()}}").touch()

    Wide("one", during=during).run(3, {RUN})

if __name__ == "__main__":
    main(HERE)
""",
}
# What no other process can have: a lock, in what the function remembers.
NOWHERE = f"""
import threading

def main():
    lock = threading.Lock()

    def during(member, epoch):
        with lock:
            (HERE / f"process-{{os.getpid()}}").touch()

    Wide("one", during=during).run(3, {RUN})

if __name__ == "__main__":
    main()
"""


def run(folder, *command, given=None):
    """Run a command as a user does, in a folder."""
    path = str(Path(lossweights.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "HERE": str(folder)},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
    )


def processes(folder):
    """In how many processes was trained."""
    return len(list(folder.glob("process-*")))


def check_trained(folder, done, names):
    """All sweeps of a script have ended."""
    assert done.returncode == 0, done.stderr
    for name in names:
        ended = list_results(sweep_folder(folder / "mlruns", name)).values()
        assert [finished.result.outcome.name for finished in ended] == ["COMPLETE"] * 3


@pytest.mark.parametrize("kind", WITH_WORKERS)
def test_f37_sweeps_of_one_script_are_trained_by_workers(tmp_path, kind):
    """Each worker finds its own by name."""
    (tmp_path / "script.py").write_text(HEAD + WITH_WORKERS[kind])
    done = run(tmp_path, "script.py", *(["--epochs", "2"] if kind == "argparse" else []))
    check_trained(tmp_path, done, ["one"] if kind == "argparse" else ["one", "two"])
    assert "this process" not in done.stderr
    assert list((sweep_folder(tmp_path / "mlruns", "one") / "logs").iterdir())


@pytest.mark.parametrize("kind", CARRIED)
def test_f37_what_no_worker_can_load_is_carried_to_workers(tmp_path, kind):
    """By value, as it is in the driver; nothing is written to the terminal."""
    (tmp_path / "script.py").write_text(HEAD + CARRIED[kind])
    done = run(tmp_path, "script.py")
    check_trained(tmp_path, done, ["one", "two"] if "two" in CARRIED[kind] else ["one"])
    assert done.stderr == ""
    assert len(list((sweep_folder(tmp_path / "mlruns", "one") / "logs").iterdir())) == 2
    assert processes(tmp_path)


def test_f37_a_prompt_has_workers_too(tmp_path):
    """What is typed, or stands in a notebook, is in no file."""
    done = run(tmp_path, "-", given=HEAD + CARRIED["no main part"])
    check_trained(tmp_path, done, ["one"])
    assert done.stderr == ""
    assert len(list((sweep_folder(tmp_path / "mlruns", "one") / "logs").iterdir())) == 2


def test_f37_what_cannot_be_carried_is_trained_here(tmp_path):
    """One line names what it is, and nothing else is written to the terminal."""
    (tmp_path / "script.py").write_text(HEAD + NOWHERE)
    done = run(tmp_path, "script.py")
    check_trained(tmp_path, done, ["one"])
    (line,) = done.stderr.splitlines()
    assert line.startswith("training in this process, since no worker process can load the sweep")
    assert "_during cannot be pickled: cannot pickle '_thread.lock' object" in line
    assert processes(tmp_path) == 1


def test_f37_workers_that_were_asked_for_are_an_error_before_anything_is_written(tmp_path):
    """The next run finds the name free."""
    (tmp_path / "script.py").write_text(HEAD + NOWHERE.replace("quiet=", "workers=1, quiet="))
    done = run(tmp_path, "script.py")
    assert done.returncode != 0
    assert "WorkerError: Expected the sweep 'one' at the top level of a script" in done.stderr
    assert "Expected a sweep that can be pickled" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def test_f37_a_module_of_a_package_is_trained_by_workers_and_resumed(tmp_path):
    """``python -m package.demand``, with a neighbour that it imports by a relative name."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "neighbour.py").write_text(HEAD)
    (package / "demand.py").write_text(
        "from .neighbour import Wide, during\n"
        "sweep = Wide('one', during=during)\n"
        "if __name__ == '__main__':\n    sweep.main()\n"
    )
    flags = ["--no-tracking", "--quiet", "--root", "mlruns"]
    done = run(tmp_path, "-m", "package.demand", "--trials", "3", *flags)
    assert "this process" not in done.stderr
    assert list((sweep_folder(tmp_path / "mlruns", "one") / "logs").iterdir())
    folder = sweep_folder(tmp_path / "mlruns", "one")
    assert len(list_results(folder)) == 3, done.stderr
    done = run(tmp_path, "-m", "lossweights.cli", "resume", "one", "--trials", "5", *flags)
    assert len(list_results(folder)) == 5, done.stderr


def test_f37_what_workers_print_is_kept_from_their_first_word(scripted):
    """Although they begin before there is a folder."""
    script = scripted(
        """
print("loading", flush=True)
os.write(1, b"loading deep down\\n")

def during(member, epoch):
    print("training", flush=True)
    for number in (1, 2):  # until both have loaded the sweep
        log = HERE / f"mlruns/studies/fake/logs/worker-{number}.log"
        while not (log.exists() and log.stat().st_size):
            threading.Event().wait(0.01)

sweep = FakeSweep("fake", during=during)
"""
    )
    script.run(4, workers=2)
    logs = [path.read_text() for path in (script.sweep_folder / "logs").iterdir()]
    assert sorted(log.count("loading\n") for log in logs) == [1, 1]
    assert all(log.startswith(("loading", "loading deep down")) for log in logs)
    assert sum(log.count("training\n") for log in logs) == 16
