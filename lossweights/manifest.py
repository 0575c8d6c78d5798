"""The manifest: what a sweep sweeps, spelled out, so that a resumed sweep is the same sweep."""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

import keras

from lossweights.errors import SweepChanged
from lossweights.problem import Data, Problem
from lossweights.space import Space
from lossweights.terms import describe

VERSION = 1
_PACKAGES = ("lossweights", "keras", "tensorflow", "numpy", "optuna")
# What may differ on resume without a word: where it ran and when, not what it computes.
_FREE = ("script", "created")


def make_manifest(
    *,
    name: str,
    problem: Problem,
    data: Data,
    space: Space,
    objectives: Mapping[str, str],
    scales: Mapping[str, float] | None,
    seed: int,
    script: str | None,
    created: str,
) -> dict[str, Any]:
    """Everything that decides the numbers of a sweep, as plain JSON values."""
    optimizer = problem.make_optimizer()
    config = keras.saving.serialize_keras_object(optimizer)["config"]
    return {
        "format": "lossweights/sweep",
        "version": VERSION,
        "name": name,
        "created": created,
        "script": script,
        "objectives": dict(objectives),
        "space": space.describe(),
        "scales": None if scales is None else dict(scales),
        "terms": {key: describe(term) for key, term in problem.terms.items()},
        "metrics": {
            key: {"class": type(metric).__name__, "direction": metric.direction}
            for key, metric in problem.metrics.items()
        },
        "recipe": {
            "optimizer": {"class": type(optimizer).__name__, **_plain(config)},
            "epochs": problem.epochs,
            "batch_size": problem.batch_size,
            "probe_size": problem.probe_size,
            "seed": seed,
        },
        "code": {
            "build_model": _source_hash(problem.build_model),
            "terms": {k: _source_hash(v) for k, v in problem.terms.items() if describe(v) is None},
        },
        "data": data.fingerprint(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def check_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse to go on with a sweep whose manifest has changed.

    Only the major version of a package counts: results do not change within one on purpose.

    Raises:
        SweepChanged: Names each field with its old and new value.
    """
    before, after = dict(_flat(_comparable(old))), dict(_flat(_comparable(new)))
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if changed:
        lines = [f"  {k}: was {before.get(k)!r}, is now {after.get(k)!r}" for k in changed]
        raise SweepChanged(
            f"Expected the sweep {old.get('name')!r} as it was started. Found changes:\n"
            + "\n".join(lines)
            + "\nUndo them, or start a new sweep under another name."
        )


def _comparable(manifest: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in manifest.items() if key not in _FREE}
    versions = kept.get("versions")
    if isinstance(versions, Mapping):
        kept["versions"] = {k: str(v).split(".")[0] for k, v in versions.items()}
    return kept


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _source_hash(function: Callable[..., Any]) -> str:
    """A hash of the source of a function, or of its class; of its name if there is no source."""
    target = function if inspect.isroutine(function) else type(function)
    try:
        text = inspect.getsource(target)
    except (OSError, TypeError):
        text = getattr(target, "__qualname__", repr(target))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras configuration as JSON values; what JSON does not know is spelled out."""
    known = (str, int, float, bool, type(None))
    return {k: v if isinstance(v, known) else repr(v) for k, v in sorted(config.items())}


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"  # run from a checkout that is not installed
    return found
