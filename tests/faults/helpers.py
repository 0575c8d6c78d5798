"""Sweeps that do sums in processes of their own, and what must hold whatever happens."""

import json
import os
import select
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from lossweights.cli._script import load_sweep
from lossweights.records import Outcome
from lossweights.results.folder import Asked, Finished, list_results, sweep_folder
from lossweights.store import Store
from lossweights.testing import FakeTrainer
from lossweights.training import Member

HEAD = """
import os, signal, threading, time
from pathlib import Path
from lossweights.records import EpochReport
from lossweights.testing import FakeSweep

HERE = Path(__file__).resolve().parent

def announce():
    with open(HERE / "gate", "w") as gate:
        gate.write(f"{os.getpid()}\\n")

def once(name):
    try:
        (HERE / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

def hang():
    threading.Event().wait()

"""

TAIL = """
if __name__ == "__main__":
    sweep.main()
"""

PLAIN = "sweep = FakeSweep('fake')"

# Every trial announces itself after an epoch, and never ends.
HANGS = """
def during(member, epoch):
    if epoch == 1:
        announce()
        hang()

sweep = FakeSweep("fake", during=during)
"""


class Scripted:
    """A launch script in a folder of its own, and the root that it writes to.

    ``gate`` is a pipe by name: trials announce themselves there, and tests wait for that.
    """

    def __init__(self, folder, programs, body=PLAIN, name="fake"):
        folder.mkdir(exist_ok=True)
        self._programs = programs
        self.folder, self.root, self.name = folder, folder / "mlruns", name
        self.path = folder / "script.py"
        self.path.write_text(HEAD + body + TAIL)
        os.mkfifo(folder / "gate")
        # For reading and writing: opening it waits for nobody, and no writer finds it closed.
        self._gate = os.open(folder / "gate", os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self._started = []

    def edit(self, old, new):
        """Change the script, as its author does between two runs."""
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def close(self):
        """Give the gate back, and end what a failed test has left."""
        os.close(self._gate)
        for process in self._started:
            process.kill()
            process.communicate()

    def announced(self, seconds=60):
        """The process id of the next trial that announces itself."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._gate], [], [], deadline - time.monotonic())
            assert ready, "no trial announced itself"
            self._rest += os.read(self._gate, 1000)
        line, _, self._rest = self._rest.partition(b"\n")
        return int(line)

    def sweep(self):
        """The sweep, for a run in this process."""
        return load_sweep(self.path)

    def settle(self):
        """Settle what a killed driver left open, as the next start does first of all."""
        Store.reopen(self.root, self.name, self.sweep().space).close()

    def run(self, trials, **options):
        """Run the sweep in this process; by default in two workers, without tracking."""
        options = {"workers": 2, "tracking": False, "quiet": True, "confirm": 0, **options}
        return self.sweep().run(trials, root=self.root, script=self.path, **options)

    def start(self, *arguments, trials=10, tracking=False, workers=2):
        """Start the script as a user does, in a process of its own."""
        command = [self.path, "--root", self.root]
        command += ["--workers", str(workers), *arguments]
        if trials is not None:
            command += ["--trials", str(trials)]
        if not tracking:
            command.append("--no-tracking")
        process = self._programs.popen(command, cwd=self.folder)
        self._started.append(process)
        return process

    def call(self, *arguments, **options):
        """Run the script as a user does, to its end."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def sweep_folder(self):
        """The sweep folder."""
        return sweep_folder(self.root, self.name)

    def results(self):
        """The result files by number."""
        return list_results(self.sweep_folder)

    def outcomes(self):
        """How many trials ended how, those to be tried again as such."""
        return Counter(
            "AGAIN" if finished.again else finished.result.outcome.name
            for finished in self.results().values()
        )

    def rows(self):
        """The trials of the study as (number, state, attributes)."""
        with closing(sqlite3.connect(self.sweep_folder / "study.db")) as database:
            rows = database.execute("SELECT trial_id, number, state FROM trials ORDER BY number")
            notes = database.execute("SELECT trial_id, key, value_json FROM trial_user_attributes")
            attributes = {}
            for trial, key, value in notes:
                attributes.setdefault(trial, {})[key] = json.loads(value)
            return [(number, state, attributes.get(trial, {})) for trial, number, state in rows]

    def running(self):
        """The numbers of the trials that run, as the study on the disk has it."""
        if not (self.sweep_folder / "study.db").exists():
            return []
        return [number for number, state, _ in self.rows() if state == "RUNNING"]


def check_sweep(root, name="fake"):
    """What must hold of a sweep folder that no driver holds: everything has ended, and agrees."""
    folder = sweep_folder(root, name)
    with closing(sqlite3.connect(folder / "study.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        states = dict(database.execute("SELECT number, state FROM trials"))
        values = {}
        for number, objective, value in database.execute(
            "SELECT number, objective, value FROM trials JOIN trial_values USING (trial_id)"
        ):
            values.setdefault(number, {})[objective] = value
    assert set(states.values()) <= {"COMPLETE", "PRUNED", "FAIL"}, states
    results = list_results(folder)
    assert set(results) <= set(states)
    objectives = json.loads((folder / "manifest.json").read_text())["objectives"]
    told = {
        Outcome.COMPLETE: "COMPLETE",
        Outcome.PRUNED: "PRUNED",
        Outcome.DIVERGED: "PRUNED",
        Outcome.FAILED: "FAIL",
    }
    for number, finished in results.items():
        result = finished.result
        assert states[number] == told[result.outcome], (number, result.outcome)
        if result.outcome is Outcome.COMPLETE:
            wanted = {i: result.metrics[key] for i, key in enumerate(objectives)}
            assert values[number] == wanted
    missing = set(states) - set(results)
    assert all(states[number] == "FAIL" for number in missing), missing
    retried = {f.asked.retry_of for f in results.values()} - {None}
    assert retried <= {number for number, f in results.items() if f.again}


def check_mlflow(root, name="fake", *, complete=True):
    """What must hold of MLflow's record: no open run, and every number is that of the result."""
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "DIVERGED": "FAILED", "FAILED": "FAILED"}
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        runs = database.execute(
            "SELECT run_uuid, status FROM runs JOIN experiments USING (experiment_id) "
            "WHERE experiments.name = ? AND runs.lifecycle_stage = 'active'",
            [name],
        ).fetchall()
        tags = {
            run: dict(database.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [run]))
            for run, _ in runs
        }
        trials = {}
        for run, state in runs:
            assert state != "RUNNING", tags[run]
            if "lossweights.trial" in tags[run]:
                number = int(tags[run]["lossweights.trial"])
                assert number not in trials, f"trial {number} has two runs"
                trials[number] = (run, state)
        results = list_results(sweep_folder(root, name))
        assert set(trials) <= set(results)
        if complete:
            assert set(trials) == set(results)
        for number, (run, state) in trials.items():
            result = results[number].result
            assert state == status[result.outcome.name]
            points = database.execute(
                "SELECT key, step, value FROM metrics WHERE run_uuid = ? AND is_nan = 0", [run]
            ).fetchall()
            wanted = Counter(
                (key, report.epoch, value)
                for report in result.reports
                for key, value in report.metrics.items()
                if abs(value) < 1e300
            )
            measured = ("1 objectives/", "7 metrics/")
            found = Counter(
                (key.partition("/")[2], step, value)
                for key, step, value in points
                if key.startswith(measured)
            )
            assert found == wanted, number


def children(of=()):
    """The processes that this one has started and not yet waited for, where /proc tells.

    Args:
        of: Other processes, whose children count too, and that do not count themselves.
    """
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        ours = parent == os.getpid() and "resource_tracker" not in command
        if parent in of or (ours and int(path.name) not in of):
            found[int(path.name)] = command
    return found


def alive(pid):
    """Whether a process is there; one that has ended but was not waited for is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def eventually(condition, seconds=10.0):
    """Wait until something outside of this process is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        select.select([], [], [], 0.01)


def kill(pid):
    """End a process that a test started, at once."""
    os.kill(pid, signal.SIGKILL)


def finished(number, b=1.0):
    """A trial as it might have ended, made by hand."""
    member = Member({"a": 1.0, "b": b}, 0)
    result = FakeTrainer().train([member], lambda *_: True)[0]
    return Finished(Asked(number, {"b": b}, "trial"), result)
