"""F08: somebody else holds the study's database, or many read it."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from lossweights.base.errors import StoreError
from lossweights.store import _study as study

pytestmark = pytest.mark.faults

HOLDS = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
database.execute("COMMIT")
print("released", flush=True)
"""

READS = """
import sqlite3, sys
from contextlib import closing
print("reading", flush=True)
while True:
    with closing(sqlite3.connect(sys.argv[1], timeout=60)) as database:
        join = "SELECT count(*) FROM trials JOIN trial_params USING (trial_id)"
        database.execute(join).fetchall()
"""


def start(code, path):
    """Another process, which has said that it is at it."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    return process


def test_f08_a_database_held_for_a_while_is_waited_for(scripted):
    """A backup or a viewer holds the study for seconds: the sweep waits, and loses nothing."""
    script = scripted()
    script.run(2, workers=0)
    holder = start(HOLDS, script.sweep_folder / "study.db")
    timer = threading.Timer(3.0, lambda: (holder.stdin.write("\n"), holder.stdin.flush()))
    timer.start()  # the fault itself lasts for three seconds; nothing here waits for them
    try:
        script.run(8, workers=0, resume=True)
        assert holder.stdout.readline() == "released\n"
    finally:
        timer.join()
        holder.communicate()
    assert script.outcomes() == {"COMPLETE": 8}


def test_f08_a_database_that_stays_held_ends_the_sweep_in_order(scripted, monkeypatch):
    """After some tries the sweep stops with the path; nothing is lost, and it can be resumed."""
    monkeypatch.setattr(study, "LOCK_SECONDS", 0.05)
    script = scripted()
    held = []

    def during(member, epoch):
        if epoch == 1 and len(held) == 3:
            holder = start(HOLDS, script.sweep_folder / "study.db")
            held.append(holder)
        elif epoch == 1:
            held.append(None)

    sweep = script.sweep()
    sweep._during = during
    options = {"root": script.root, "workers": 0, "tracking": False, "quiet": True}
    with pytest.raises(StoreError, match=r"study\.db: database is locked"):
        sweep.run(2000, script=script.path, **options)
    held[3].communicate("\n")
    sweep._during = None
    kept = len(script.results())
    script.run(kept + 3, workers=0, resume=True, accept_change=["code"])
    assert script.outcomes() == {"COMPLETE": kept + 3}


def test_f08_eight_readers_stop_nobody(scripted):
    """The UI, `status` and colleagues may read at any time."""
    script = scripted()
    script.run(2, workers=0)
    readers = [start(READS, script.sweep_folder / "study.db") for _ in range(8)]
    try:
        script.run(20, workers=0, resume=True)
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()
    assert script.outcomes() == {"COMPLETE": 20}


def test_f08_the_study_is_written_for_good(scripted):
    """SQLite flushes every commit, and needs no second file beside the database."""
    script = scripted()
    script.run(2, workers=0)
    made = study.Study(script.sweep_folder / "study.db", "fake", ["minimize", "minimize"])
    assert made._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    made.close()
    with closing(sqlite3.connect(script.sweep_folder / "study.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
