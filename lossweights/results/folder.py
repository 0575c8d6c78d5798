"""The sweep folder as any reader sees it: manifest and one result file a trial, no database.

Layout of ``<root>/studies/<name>/``::

    lock             held by the one process that may write
    manifest.json    what is swept: written last on creation, so a folder without it is no sweep
    study.db         the Optuna study (SQLite)
    trials/0012.json the result of trial 12: written before Optuna is told
    spool/0013.jsonl the reports so far of trial 13, which is still training
    winner.json      what the saved winner measured, and what is to be known of it
    importance.json  how much each weight matters for each metric
    contest.jsonl    trainings beside the trials: baselines outside the space, confirmation
    constants.json   what each objective is for the best constant prediction
    status.json      how the sweep goes on, for ``lossweights status``
    logs/            what the worker processes print

A file that cannot be read is renamed to ``*.corrupt`` by the next writer, never removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossweights.base.commands import command
from lossweights.base.errors import StoreError, SweepExists, SweepNotFound
from lossweights.base.files import inside, write_all, write_atomic
from lossweights.base.names import check_name
from lossweights.base.sampled import Value, value_of
from lossweights.base.strict_json import dump_json, parse_json
from lossweights.records import TrialResult

FORMAT, VERSION = "lossweights/sweep", 1  # of the manifest
MAX_RESULT_BYTES = 64 << 20


@dataclass(frozen=True)
class Asked:
    """A trial to do.

    Attributes:
        number: Its number in the study.
        parameters: What was sampled.
        kind: ``"trial"``; ``"baseline"`` for one that was asked for; ``"warm"`` for what an
            earlier sweep found; ``"start"`` for what every search begins with.
        retry_of: The failed trial whose weights it tries again, or ``None``.
        baseline: Name of the baseline that it is, or ``None``.
    """

    number: int
    parameters: Mapping[str, Value]
    kind: str
    retry_of: int | None = None
    baseline: str | None = None


@dataclass(frozen=True)
class Finished:
    """A trial that has ended: what was asked, and what came of it.

    Attributes:
        asked: What was asked.
        result: What came of it.
        times: Milliseconds since 1970 at which each report was made, empty if nobody looked.
            Points of a chart count once only at one and the same time, so they are kept with them.
        again: Whether its weights are tried again, by another trial that is a retry of this one.
        node: The machine that trained it, where that is not the driver's own.
    """

    asked: Asked
    result: TrialResult
    times: tuple[int, ...] = ()
    again: bool = False
    node: str = ""


def tracking_uri(root: Path) -> str:
    """The address of the MLflow store below a root: always explicit and absolute."""
    return sqlite_uri(root.resolve() / "mlflow.db")


def sqlite_uri(path: Path) -> str:
    """The address of a database file for SQLAlchemy, which reads these signs as its own."""
    quoted = str(path).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    return f"sqlite:///{quoted}"


def sweep_folder(root: Path, name: str) -> Path:
    """The folder of a sweep below a root, whether it exists or not."""
    return inside(root, "studies", check_name(name, "sweep"))


def write_results(folder: Path, trials: Iterable[Finished]) -> None:
    """Keep the results of several trials, each whole or not at all.

    Raises:
        StoreError: A file cannot be written; the others may have been.
    """
    contents = {_result_path(folder, f.asked.number): dump_json(_record(f)) for f in trials}
    if contents:
        write_all(contents)


def _record(finished: Finished) -> dict[str, Any]:
    asked = finished.asked
    return {
        "number": asked.number,
        "kind": asked.kind,
        **({} if asked.baseline is None else {"baseline": asked.baseline}),
        "retry_of": asked.retry_of,
        "parameters": dict(asked.parameters),
        "times": list(finished.times),
        "again": finished.again,
        **({"node": finished.node} if finished.node else {}),
        **finished.result.to_json(),
    }


def _result_path(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}.json"


def refuse_existing(root: Path, name: str, go_on: str | None = None) -> None:
    """Refuse a name that has results, saying the ways on.

    Args:
        root: Folder of the sweeps.
        name: The name.
        go_on: The command that goes on with the sweep of this name, if a plain one is not all.

    Raises:
        SweepExists: There is a sweep of this name.
    """
    folder = sweep_folder(root, name)
    if (folder / "manifest.json").exists():
        go_on = go_on or command("resume", name, root)
        raise SweepExists(
            f"Expected a new sweep name. Found {name!r} with {len(list_results(folder))} finished "
            f"trials in {folder}. Nothing was changed. Go on with it: `{go_on} --trials N`; "
            f"keep it and start another: `--name {name}-2`; or delete it with its runs in MLflow: "
            f"`{command('remove', name, root)}`."
        )


def read_manifest(root: Path, name: str) -> dict[str, Any]:
    """The manifest of a sweep.

    Raises:
        SweepNotFound: There is no sweep of this name; the message lists those there are.
        StoreError: The manifest is damaged.
    """
    path = sweep_folder(root, name) / "manifest.json"
    try:
        manifest = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise SweepNotFound(
            f"Expected a sweep named {name!r} in {root}. Found {list_sweeps(root) or 'none'}. "
            f"Check the name and --root."
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"Expected a readable manifest in {path}. Found: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StoreError(f"Expected the manifest of a sweep in {path}. Found something else.")
    if manifest.get("version") != VERSION:
        raise StoreError(
            f"Expected version {VERSION} of the manifest in {path}. Found "
            f"{manifest.get('version')!r}. Update lossweights."
        )
    unsound = [name for name, sound in _SOUND.items() if name in manifest and not sound(manifest)]
    for name in unsound:
        raise StoreError(
            f"Expected another kind of {name!r} in {path}. Found {manifest[name]!r:.80}. "
            f"The file was edited; bring it back, or start a new sweep."
        )
    return manifest


def _each(value: Any, sound: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(sound, value.values()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_value(value: Any) -> bool:
    return _is_number(value) or isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_aims(value: Any) -> bool:
    return bool(value) and _each(value, lambda aim: aim in ("minimize", "maximize"))


def _are_scales(value: Any, terms: Any) -> bool:
    positive = _each(value, lambda scale: _is_number(scale) and scale > 0)
    return value is None or (positive and set(value) == set(terms))


# Of all that a manifest says readers take these; the rest is only compared.
_SOUND: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "name": lambda of: isinstance(of["name"], str),
    "created": lambda of: isinstance(of["created"], str),
    "script": lambda of: isinstance(of["script"], str | None),
    "root": lambda of: isinstance(of["root"], str | None),
    "tracking": lambda of: isinstance(of["tracking"], str | None),
    "trials": lambda of: _is_count(of["trials"]),
    "seed": lambda of: _is_count(of["seed"]),
    "confirm": lambda of: _is_count(of["confirm"]),
    "shown": lambda of: isinstance(of["shown"], dict),
    "made": lambda of: isinstance(of["made"], dict),
    "objectives": lambda of: _are_aims(of["objectives"]),
    "terms": lambda of: _each(of["terms"], lambda term: isinstance(term, dict | None)),
    "scales": lambda of: _are_scales(of["scales"], of.get("terms", of["scales"])),
    "baselines": lambda of: (
        isinstance(of["baselines"], list) and all(_each(v, _is_value) for v in of["baselines"])
    ),
    "contest": lambda of: _each(of["contest"], lambda said: isinstance(said, dict)),
    "min_effect": lambda of: _is_number(of["min_effect"]) and 0 <= of["min_effect"] < 1,
    "recipe": lambda of: isinstance(of["recipe"], dict),
    "prune": lambda of: isinstance(of["prune"], dict),
    "accepted": lambda of: (
        isinstance(of["accepted"], list)
        and all(isinstance(v, dict) and "field" in v for v in of["accepted"])
    ),
}


def write_importance(folder: Path, importance: Mapping[str, Mapping[str, float]]) -> None:
    """Keep how much each weight matters for each metric, which takes Optuna to find out."""
    write_atomic(folder / "importance.json", dump_json({k: dict(v) for k, v in importance.items()}))


def read_importance(folder: Path) -> dict[str, dict[str, float]]:
    """For each metric the importance of each term's weight; empty before the end of a sweep."""
    path = folder / "importance.json"
    if not path.exists():
        return {}
    try:
        value = parse_json(path.read_bytes())
        return {
            str(metric): {str(name): float(part) for name, part in table.items()}
            for metric, table in value.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError(f"Expected importances in {path}. Found: {error}.") from error


def list_sweeps(root: Path) -> list[str]:
    """Names of the sweeps below a root, sorted."""
    return sorted(path.parent.name for path in (root / "studies").glob("*/manifest.json"))


def list_results(
    folder: Path, damaged: Callable[[Path, StoreError], None] | None = None
) -> dict[int, Finished]:
    """All finished trials of a sweep folder by number; readable while the sweep runs.

    Args:
        folder: The sweep folder.
        damaged: Called with a file that cannot be read, instead of raising.

    Raises:
        StoreError: A result file is damaged; the message names it.
    """
    results = {}
    for path in sorted((folder / "trials").glob("*.json")):
        try:
            results[int(path.stem)] = _read_result(path)
        except (StoreError, ValueError) as error:
            known = error if isinstance(error, StoreError) else _damaged(path, error)
            if damaged is None:
                raise known from error
            damaged(path, known)
    return results


def read_result(folder: Path, number: int) -> Finished:
    """One finished trial.

    Raises:
        StoreError: There is no such file, or it is damaged.
    """
    return _read_result(_result_path(folder, number))


def _read_result(path: Path) -> Finished:
    try:
        value = parse_json(path.read_bytes(), max_bytes=MAX_RESULT_BYTES)
        number = int(value["number"])
        if path.name != _result_path(path, number).name:
            raise ValueError(f"the result of trial {number}")
        parameters = {  # names of what was chosen beside weights have a slash, and may be of a word
            str(k): value_of(v) if "/" in k else float(v) for k, v in value["parameters"].items()
        }
        retry_of, baseline = value.get("retry_of"), value.get("baseline")
        asked = Asked(
            number,
            parameters,
            str(value["kind"]),
            None if retry_of is None else int(retry_of),
            None if baseline is None else str(baseline),
        )
        times = tuple(int(time) for time in value.get("times", ()))
        result = TrialResult.from_json(value)
        for report in result.reports:
            if not set(result.parts) == set(report.train) == set(report.val):
                raise ValueError(f"magnitudes of other terms than {list(result.weights)}")
        node = str(value.get("node", ""))
        return Finished(asked, result, times, value.get("again") is True, node)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StoreError:
    sweep, root = path.parents[1].name, path.parents[3]
    return StoreError(
        f"Expected a result file in {path}. Found: {error}. Move the file away, or let "
        f"`{command('resume', sweep, root)}` do it, which trains that trial again."
    )


def quarantine(path: Path) -> Path:
    """Set a damaged file aside under a name that nothing reads; the new path.

    Raises:
        StoreError: It cannot be renamed.
    """
    for number in range(1, 1000):
        aside = path.with_name(f"{path.name}{'' if number == 1 else f'.{number}'}.corrupt")
        if not aside.exists():
            break
    try:
        return path.rename(aside)
    except OSError as error:
        raise StoreError(f"Cannot rename {path}: {error}. Check the folder's rights.") from error
