"""How a sweep was made, from its manifest: enough to make it again."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lossweights.base.errors import LossweightsError
from lossweights.results.folder import read_manifest
from lossweights.results.pace import as_minutes
from lossweights.results.promotion import promoted_now
from lossweights.results.result import SweepResult

_RAMP = "ramp/"  # before the name of a term whose weight changes, in a manifest's space


def how_made(result: SweepResult, root: Path | None) -> dict[str, str]:
    """What was done, by what it is called; only results where no manifest is at hand.

    Args:
        result: The sweep's result.
        root: Folder of the sweeps, or ``None``.
    """
    manifest = _manifest(result.name, root)
    recipe, choice = result.recipe, manifest.get("choice") or {}
    made = choice.get("made", {}) if isinstance(choice, Mapping) else {}
    seconds = sum(finished.result.seconds for finished in result.finished.values())
    trainers = Counter(f.result.trainer for f in result.finished.values() if f.result.trainer)
    found = {
        "command": _command(manifest),
        "begun": _moment(manifest.get("created")),
        "training": f"{as_minutes(seconds)} minutes in all" if seconds else "",
        "trainer": ", ".join(f"{name} ({count} trials)" for name, count in trainers.items()),
        "why this trainer": str(made.get("why", "")) if isinstance(made, Mapping) else "",
        "workers": str(made.get("workers", "")) if isinstance(made, Mapping) else "",
        "cores": _at(choice, "asked", "cores"),
        "sampler": str(manifest.get("sampler", "")),
        "seed": str(manifest.get("seed", "")),
        "seeds a trial": str(recipe.get("seeds", "")),
        "folds": str(recipe.get("folds", "")),
        "of several trainings counts": str(recipe.get("stat", "")),
        "epochs": str(recipe.get("epochs", "")),
        "batch size": str(recipe.get("batch_size", "")),
        "optimizer": _optimizer(recipe.get("optimizer")),
        "data digest": str(manifest.get("data", "")),
        "versions": _pairs(manifest.get("versions")),
        "scales": _pairs(result.scales, ".4g"),
        "space": "; ".join(_space(manifest.get("space"))),
        "promoted by hand": _by_hand(result),
    }
    return {name: text for name, text in found.items() if text}


def _by_hand(result: SweepResult) -> str:
    now = promoted_now(result.root, result.name)
    return f"{now.pick} on {now.at[:10]}: {now.why}" if now and now.by_hand else ""


def ramps(result: SweepResult, root: Path | None) -> list[str]:
    """What is to be known of each weight that changed over the epochs, a sentence each."""
    space = _manifest(result.name, root).get("space")
    found = {
        name.removeprefix(_RAMP): entry
        for name, entry in (space.items() if isinstance(space, Mapping) else ())
        if name.startswith(_RAMP) and isinstance(entry, Mapping)
    }
    return [
        f"The weight of {term} is that of the end, reached within {entry.get('epochs')} epochs"
        + (f" after the first {entry['after']}" if entry.get("after") else "")
        + f" from {entry.get('start', 0):g} times it; the code needs lw.adaptive.ramps for that."
        for term, entry in found.items()
    ]


def _manifest(name: str, root: Path | None) -> Mapping[str, Any]:
    if root is None:
        return {}
    try:
        return read_manifest(root, name)
    except LossweightsError:
        return {}


def _command(manifest: Mapping[str, Any]) -> str:
    if not manifest.get("script"):
        return ""
    words = ["python", str(manifest["script"]), "--name", str(manifest.get("name"))]
    trials = manifest.get("trials")
    return shlex.join([*words, *(["--trials", str(trials)] if trials else [])])


def _moment(text: Any) -> str:
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M %Z")
    except ValueError:
        return ""


def _at(value: Any, *names: str) -> str:
    for name in names:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return str(value)


def _optimizer(config: Any) -> str:
    if not isinstance(config, Mapping):
        return ""
    rate = config.get("learning_rate")
    shown = f", learning rate {rate:.4g}" if isinstance(rate, int | float) else ""
    return f"{config.get('class', '')}{shown}"


def _pairs(table: Any, form: str = "") -> str:
    if not isinstance(table, Mapping):
        return ""
    return ", ".join(f"{name} {value:{form}}" for name, value in table.items())


def _space(space: Any) -> list[str]:
    if not isinstance(space, Mapping):
        return []
    return [
        f"{name}: " + ", ".join(f"{key} {value}" for key, value in entry.items())
        for name, entry in space.items()
        if isinstance(entry, Mapping)
    ]
