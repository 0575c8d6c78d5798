"""The weight set of a run or of a registered model, as MLflow has it."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import SweepNotFound
from lossweights.base.sampled import HYPER, RAMP, Value
from lossweights.loss.weight_set import WeightSet
from lossweights.results.weights import pick_file
from lossweights.search.choices import TERM
from lossweights.tracking._models import PICK
from lossweights.tracking._opened import opened
from lossweights.tracking._promoted import BY, FILE, HAND, PROMOTED

if TYPE_CHECKING:
    from mlflow import MlflowClient

_WEIGHT = "weight/"


def tracked_set(reference: str, root: Path, uri: str | None = None) -> WeightSet:
    """The weight set that ``runs:/ID`` or ``models:/NAME@ALIAS`` means.

    Args:
        reference: ``runs:/ID`` of a sweep's run or of a trial's, ``runs:/ID/knee.json`` for another
            file of the sweep; ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        root: Folder of the sweeps.
        uri: Address of MLflow; by default that of the environment, or the store below the root.

    Raises:
        SweepNotFound: There is no such run or model, or it has no weight set.
        WeightSetError: The file is damaged.
        TrackingError: MLflow cannot be read.
    """
    with opened(root, uri) as client:
        kind, _, rest = reference.partition(":/")
        if kind == "models":
            run, pick = _of_model(client, rest.strip("/"), reference)
            return _of_run(client, run, "", pick, reference)
        run, _, file = rest.strip("/").partition("/")
        return _of_run(client, run, file, None, reference)


def _of_model(client: MlflowClient, name: str, reference: str) -> tuple[str, str | None]:
    """The run and the pick of a version of a registered model."""
    model, at, alias = name.partition("@")
    if at:
        version = client.get_model_version_by_alias(model, alias)
    else:
        model, _, number = name.partition("/")
        version = client.get_model_version(model, number)
    if not version.run_id:
        raise SweepNotFound(
            f"Expected the model {reference} to come from a run. Found none. Register the model of "
            f"a sweep's run."
        )
    return version.run_id, version.tags.get(PICK)


def _of_run(
    client: MlflowClient, run_id: str, file: str, pick: str | None, reference: str
) -> WeightSet:
    run = client.get_run(run_id)
    parent = run.data.tags.get("mlflow.parentRunId")
    if parent is not None and not file:
        of_sweep = _of_run(client, parent, "", None, reference)
        return _of_trial(run, of_sweep, client.get_run(parent).data.params, reference)
    found = {each.path: each.file_size or 0 for each in client.list_artifacts(run_id)}
    wanted = file or _promoted_file(run.data.tags, pick)
    if wanted not in found or not wanted.endswith(".json"):
        sets = sorted(path for path in found if path.endswith(".json"))
        raise SweepNotFound(
            f"Expected the weight set {wanted} in {reference}. Found {sets or 'none'}. Name one: "
            f"runs:/{run_id}/FILE."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run_id, wanted, folder)
        return replace(WeightSet.read(path), home=None, recorded=True)


def _promoted_file(tags: Mapping[str, str], pick: str | None) -> str:
    """The file of a pick of a sweep's run, by default of the promoted one."""
    promoted = tags.get(PROMOTED) or "knee"
    if tags.get(BY) == HAND and pick in (None, promoted):
        return FILE
    return pick_file(pick or promoted)


def _of_trial(
    run: Any, of_sweep: WeightSet, of_all: Mapping[str, str], reference: str
) -> WeightSet:
    """The set of a trial's run: its own weights, with the terms and scales of the sweep.

    Args:
        run: The run.
        of_sweep: What the sweep promotes.
        of_all: The params of the sweep's run, among them weights that are the same in all trials.
        reference: What was asked for.
    """
    params: Mapping[str, str] = run.data.params
    if any(name.startswith(TERM) for name in params):
        raise SweepNotFound(
            f"Expected a trial whose terms are those of the whole sweep. Found that it chose its "
            f"own in {reference}, which MLflow knows in part. Name a pick of the sweep instead: "
            f"lw.load('NAME@knee')."
        )
    scales = of_sweep.scales or {}
    weights = {
        name: float(params[f"{_WEIGHT}{name}"])
        if f"{_WEIGHT}{name}" in params
        else _fixed(of_all.get(f"space/{name}", ""), reference) / scales.get(name, 1.0)
        for name in of_sweep.weights
    }
    sweep = run.data.tags.get("lossweights.sweep", "")
    origin: dict[str, Any] = {"sweep": sweep, "run": run.info.run_id}
    with suppress(KeyError, ValueError):
        origin["trial"] = int(run.data.tags["lossweights.trial"])
        origin["seed"] = int(params.get("seed", of_sweep.origin["seed"]))
    return WeightSet(
        weights,
        name=f"{sweep}@run:{run.info.run_name}",
        scales=of_sweep.scales,
        terms=of_sweep.terms,
        origin=origin,
        chosen={
            **{n: _value(text) for n, text in params.items() if n.startswith(HYPER)},
            **{n: value for n, value in of_sweep.chosen.items() if n.startswith(RAMP)},
        },
        recorded=True,
    )


def _fixed(part: str, reference: str) -> float:
    """The weight of a term that every trial has, from what the space of the sweep says of it."""
    try:
        return float(ast.literal_eval(part)["value"])
    except (ValueError, SyntaxError, TypeError, KeyError):
        raise SweepNotFound(
            f"Expected all weights of {reference} in MLflow. Found not all. Name a pick of the "
            f"sweep instead: lw.load('NAME@knee')."
        ) from None


def _value(text: str) -> Value:
    """A number, or the name of what was chosen."""
    try:
        return float(text)
    except ValueError:
        return text
