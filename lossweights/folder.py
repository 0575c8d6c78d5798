"""The sweep folder as any reader sees it: manifest and one result file a trial, no database.

Layout of ``<root>/studies/<name>/``::

    lock             held by the one process that may write
    manifest.json    what is swept: written last on creation, so a folder without it is no sweep
    study.db         the Optuna study (SQLite)
    trials/0012.json the result of trial 12: written before Optuna is told
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossweights._files import check_name, dump_json, inside, parse_json, write_atomic
from lossweights.errors import StoreError, SweepExists, SweepNotFound
from lossweights.records import TrialResult

MAX_RESULT_BYTES = 64 << 20


@dataclass(frozen=True)
class Asked:
    """A trial to do: its number, the sampled parameters, and ``"trial"`` or ``"baseline"``."""

    number: int
    parameters: Mapping[str, float]
    kind: str


@dataclass(frozen=True)
class Finished:
    """A trial that has ended: what was asked, and what came of it."""

    asked: Asked
    result: TrialResult


def tracking_uri(root: Path) -> str:
    """The address of the MLflow store below a root: always explicit and absolute."""
    return f"sqlite:///{root.resolve() / 'mlflow.db'}"


def sweep_folder(root: Path, name: str) -> Path:
    """The folder of a sweep below a root, whether it exists or not."""
    return inside(root, "studies", check_name(name, "sweep"))


def write_result(folder: Path, finished: Finished) -> None:
    """Keep the result of a trial in a sweep folder, whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    asked = finished.asked
    record = {"number": asked.number, "kind": asked.kind, "parameters": dict(asked.parameters)}
    path = folder / "trials" / f"{asked.number:04d}.json"
    write_atomic(path, dump_json({**record, **finished.result.to_json()}))


def refuse_existing(root: Path, name: str) -> None:
    """Refuse a name that has results, saying the ways on.

    Raises:
        SweepExists: There is a sweep of this name.
    """
    folder = sweep_folder(root, name)
    if (folder / "manifest.json").exists():
        raise SweepExists(
            f"Expected a new sweep name. Found {name!r} with {len(list_results(folder))} finished "
            f"trials in {folder}. Nothing was changed. Go on with it: `lossweights resume {name} "
            f"--trials N`; keep it and start another: `--name {name}-2`; or remove that folder."
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
    if not isinstance(manifest, dict):
        raise StoreError(f"Expected a JSON object in {path}. Found {type(manifest).__name__}.")
    return manifest


def write_test(folder: Path, trial: int, metrics: Mapping[str, float]) -> None:
    """Keep what the winner measured on test data."""
    finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
    write_atomic(folder / "test.json", dump_json({"trial": trial, "metrics": finite}))


def read_test(folder: Path) -> dict[str, float]:
    """What the winner measured on test data, empty if there were none."""
    path = folder / "test.json"
    if not path.exists():
        return {}
    try:
        return {str(k): float(v) for k, v in parse_json(path.read_bytes())["metrics"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"Expected test metrics in {path}. Found: {error}.") from error


def list_sweeps(root: Path) -> list[str]:
    """Names of the sweeps below a root, sorted."""
    return sorted(path.parent.name for path in (root / "studies").glob("*/manifest.json"))


def list_results(folder: Path) -> dict[int, Finished]:
    """All finished trials of a sweep folder by number; readable while the sweep runs.

    Raises:
        StoreError: A result file is damaged; the message names it.
    """
    results = {}
    for path in sorted((folder / "trials").glob("*.json")):
        try:
            value = parse_json(path.read_bytes(), max_bytes=MAX_RESULT_BYTES)
            asked = Asked(int(value["number"]), value["parameters"], str(value["kind"]))
            results[asked.number] = Finished(asked, TrialResult.from_json(value))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"Expected a result file in {path}. Found: {error}. Move the file away; "
                f"`lossweights resume` trains that trial again."
            ) from error
    return results
