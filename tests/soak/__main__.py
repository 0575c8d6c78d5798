"""`make soak`: sweeps are killed at random and gone on with, until the time is up.

Of every kind of model one sweep runs undisturbed, and a longer one whose memory is watched. Then,
kind after kind, the first sweep runs again: its driver or a worker is killed, or it is asked to
end, at a random moment, up to three times; at last it is left alone. Then every trial must be
there, with the numbers of the undisturbed sweep; study, result files and MLflow must agree; and no
process, no temporary file and no other file in the sweep folder may be left.

The rounds are kept in the folder, one line of JSON each: called again, the soak goes on where it
was stopped. At the end, and with ``--table`` at any time, it prints its table.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from lossweights.records import Outcome
from lossweights.results.folder import list_results, sweep_folder
from tests.faults.helpers import check_mlflow, check_sweep

from .kinds import KINDS

TRIALS = 160
LONG = 480  # of the sweep whose memory is watched: all is compiled long before its second half
MOST_KILLS = 3
SAME = 1e-4  # relative; members of a stack that was lost are trained in smaller ones
MARK = "LOSSWEIGHTS_SOAK"  # in the environment of all that a round starts


class Run:
    """A sweep in a session of its own, until it ends or somebody ends it.

    Args:
        kind: Which model.
        name: Name of the sweep.
        root: Where it is recorded.
        temporary: Folder for its temporary files.
        log: File for what it prints.
        trials: How many trials.
    """

    def __init__(
        self, kind: str, name: str, root: Path, temporary: Path, log: Path, trials: int = TRIALS
    ) -> None:
        self._trials = trials
        resumed = ["--resume"] if (sweep_folder(root, name) / "manifest.json").exists() else []
        command = [sys.executable, "-m", "tests.soak.kinds", kind, "--name", name, "--root", root]
        command += ["--trials", trials, "--workers", KINDS[kind], "--max-retries", 9, "--quiet"]
        self.mark = f"{name}-{time.monotonic_ns()}"
        self._results = sweep_folder(root, name) / "trials"
        self.memory: list[tuple[int, dict[int, int]]] = []  # trials that have ended, bytes held
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*map(str, command), *resumed],
                env={**os.environ, MARK: self.mark, "TMPDIR": str(temporary)},
                stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def watch(self, seconds: float = 1e9) -> int | None:
        """Wait so long, or until it has ended; the exit status, if it has."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                return self._process.wait(timeout=0.25)
            except subprocess.TimeoutExpired:
                held = {pid: rss(pid) for pid in self.processes()}
                self.memory.append((sum(1 for _ in self._results.glob("*.json")), held))
        return None

    def processes(self) -> list[int]:
        """The driver and all that it has started and that is still there."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (path / "environ").read_bytes().split(b"\0"):
                    found.append(int(path.name))
            except OSError:
                continue
        return sorted(found)

    def hurt(self, rng: random.Random) -> str:
        """Kill the driver or a worker, or ask the driver to end."""
        workers = [pid for pid in self.processes() if pid != self._process.pid]
        what = rng.choice(["driver", "ask", *["worker"] * bool(workers)])
        victim = rng.choice(workers) if what == "worker" else self._process.pid
        os.kill(victim, signal.SIGTERM if what == "ask" else signal.SIGKILL)
        if what != "worker":
            self._process.wait(timeout=60)
        return what

    def growth(self) -> float | None:
        """By how many MB a process grew while the second half of the trials was trained.

        ``None`` if they were trained faster than anybody looked.
        """
        grown = []
        for pid in {pid for _, held in self.memory for pid in held}:
            series = [(done / self._trials, held[pid]) for done, held in self.memory if pid in held]
            middle = [held for part, held in series if 0.4 <= part <= 0.6]
            late = [held for part, held in series if 0.8 <= part < 1]
            grown += [max(late) - max(middle)] if middle and late else []
        return max(grown) / 1e6 if grown else None

    def peak(self) -> float:
        """The most memory that all processes together held, in MB."""
        return max((sum(held.values()) for _, held in self.memory), default=0) / 1e6


def rss(pid: int) -> int:
    """The memory of a process in bytes; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def complete(root: Path, name: str) -> dict[float, dict[str, float]]:
    """The metrics of complete trials by the weight that was tried."""
    results = [found.result for found in list_results(sweep_folder(root, name)).values()]
    return {r.weights["log_cosh"]: dict(r.metrics) for r in results
            if r.outcome is Outcome.COMPLETE}  # fmt: skip


def lost(found: dict, wanted: dict) -> int:
    """How many of the trials that were wanted are not there, or have other numbers."""

    def near(one: float, other: float) -> bool:
        return abs(one - other) <= SAME * abs(other)

    return sum(
        not any(near(other, weight) and all(near(found[other][k], v) for k, v in metrics.items())
                for other in found)
        for weight, metrics in wanted.items()
    )  # fmt: skip


def files_of(root: Path, name: str) -> set[str]:
    """The files of a sweep, without the numbers in their names."""
    places = [sweep_folder(root, name), root / "weights" / name, root / "artifacts" / name]
    return {
        re.sub(r"[0-9a-f]{16,}|\d+", "N", str(path.relative_to(place.parent))).replace(name, "NAME")
        for place in places
        for path in place.rglob("*")
        if path.is_file() and "logs" not in path.parts
    }


def long_round(kind: str, number: int, folder: Path) -> dict:
    """Drive a long sweep to its end, undisturbed, and watch its memory."""
    name, began = f"{kind.replace('_', '-')}-{number}", time.monotonic()
    temporary = Path(tempfile.mkdtemp(dir=folder))
    run = Run(kind, name, folder / "mlruns", temporary, folder / f"{name}.log", LONG)
    status = run.watch()
    found = complete(folder / "mlruns", name)
    stray = [str(path.relative_to(temporary)) for path in temporary.rglob("*") if path.is_file()]
    shutil.rmtree(temporary)
    return {
        "kind": kind, "number": number, "kills": [], "trials": len(found),
        "lost": LONG - len(found), "stray": stray,
        "problems": [f"exit status {status}"] if status else [],
        "seconds": time.monotonic() - began, "growth": run.growth(), "peak": run.peak(),
    }  # fmt: skip


def one_round(kind: str, number: int, folder: Path, rng: random.Random) -> dict:
    """Drive a sweep to its end; the first of its kind undisturbed."""
    root, name = folder / "mlruns", f"{kind.replace('_', '-')}-{number}"
    first = folder / f"{kind}.json"
    temporary, kills, problems = Path(tempfile.mkdtemp(dir=folder)), [], []
    reference = json.loads(first.read_text()) if first.exists() else None
    log, began = folder / f"{name}.log", time.monotonic()
    run = Run(kind, name, root, temporary, log)
    for _ in range(rng.randint(1, MOST_KILLS) if reference else 0):
        if run.watch(rng.uniform(0.15, 0.6) * reference["seconds"]) is not None:
            break
        kills.append(run.hurt(rng))
        if kills[-1] != "worker":
            run = Run(kind, name, root, temporary, log)
    for _ in range(9):  # a sweep gives up when too many workers in a row were killed
        status = run.watch()
        if status == 0:
            break
        problems += [] if status == 70 and "worker" in kills else [f"exit status {status}"]
        run = Run(kind, name, root, temporary, log)
    left = run.processes()
    problems += [f"{len(left)} processes left"] if left else []
    stray = [str(path.relative_to(temporary)) for path in temporary.rglob("*") if path.is_file()]
    found = complete(root, name)
    missing = TRIALS - len(found)
    try:
        check_sweep(root, name)
        check_mlflow(root, name)
    except AssertionError:
        problems.append(traceback.format_exc()[-600:])
    if reference is None:
        seconds = time.monotonic() - began
        text = {"seconds": seconds, "files": sorted(files_of(root, name)),
                "trials": [[w, m] for w, m in found.items()]}  # fmt: skip
        first.write_text(json.dumps(text))
    else:
        missing = max(missing, lost(found, dict(map(tuple, reference["trials"]))))
        stray += sorted(files_of(root, name) - set(reference["files"]))
    shutil.rmtree(temporary)
    return {
        "kind": kind, "number": number, "kills": kills, "trials": len(found), "lost": missing,
        "stray": stray, "problems": problems, "seconds": time.monotonic() - began,
        "growth": None, "peak": run.peak(),
    }  # fmt: skip


def table(rounds: list[dict]) -> str:
    """The rounds as a Markdown table, a line for each kind."""
    lines = [
        "| model | workers | sweeps | trials | driver killed | asked to end | worker killed | lost "
        "| stray files | other | growth, MB | peak, MB |",
        "|---" * 12 + "|",
    ]
    for kind in KINDS:
        mine = [r for r in rounds if r["kind"] == kind]
        if not mine:
            continue
        kills = [what for r in mine for what in r["kills"]]
        counts = [kills.count(what) for what in ("driver", "ask", "worker")]
        growth = next((f"{r['growth']:.0f}" for r in mine if r["growth"] is not None), "")
        cells = [kind, KINDS[kind], len(mine), sum(r["trials"] for r in mine), *counts,
                 sum(r["lost"] for r in mine), sum(len(r["stray"]) for r in mine),
                 sum(len(r["problems"]) for r in mine), growth,
                 f"{max(r['peak'] for r in mine):.0f}"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Go on with the soak until its time is up; exit status 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--folder", type=Path, default=Path("soak"))
    parser.add_argument("--table", action="store_true", help="only print what there is")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(exist_ok=True, parents=True)
    kept = folder / "rounds.jsonl"
    rounds = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    kinds = list(KINDS)
    while not options.table and sum(r["seconds"] for r in rounds) < 60 * options.minutes:
        number = len(rounds)
        shutil.rmtree(sweep_folder(folder / "mlruns", f"{kinds[number % len(kinds)]}-{number}"),
                      ignore_errors=True)  # fmt: skip
        kind = kinds[number % len(kinds)]
        if number // len(kinds) == 1:
            made = long_round(kind, number, folder)
        else:
            made = one_round(kind, number, folder, random.Random(number))
        rounds.append(made)
        with kept.open("a") as file:
            file.write(json.dumps(made) + "\n")
        print(f"{made['kind']}: {made['trials']} trials in {made['seconds']:.0f} s, "
              f"{len(made['kills'])} kills, {made['lost']} lost, {len(made['stray'])} stray, "
              f"{len(made['problems'])} problems", flush=True)  # fmt: skip
    print(table(rounds))
    sys.exit(any(r["lost"] or r["stray"] or r["problems"] for r in rounds))


if __name__ == "__main__":
    main()
