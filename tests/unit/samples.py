"""Finished trials and sweep folders made by hand: no model is trained and no Keras imported."""

import math
from dataclasses import replace

from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json
from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.folder import Asked, Finished, sweep_folder, write_results

TERMS = ("mse", "under")
OBJECTIVES = {"rmse": "minimize", "shortfall": "minimize"}


def reports(rmse, shortfall, epochs=3, driver="mse"):
    """Reports in which one term supplies nearly all of the decrease, and the metrics improve."""
    made = []
    for epoch in range(epochs + 1):
        rest = 1.0 - epoch / (epochs + 1)
        magnitudes = {name: 10.0 * rest if name == driver else 1.0 + rest / 100 for name in TERMS}
        metrics = {"rmse": rmse + rest - 1 / (epochs + 1), "shortfall": shortfall}
        made.append(EpochReport(epoch, magnitudes, dict(magnitudes), metrics))
    return tuple(made)


def finished(
    number,
    rmse=1.0,
    shortfall=1.0,
    *,
    outcome=Outcome.COMPLETE,
    kind="trial",
    under=0.5,
    driver="mse",
    reason="",
):
    """A finished trial with two terms and two objectives."""
    weights = {"mse": 1.0, "under": under}
    made = reports(rmse, shortfall, driver=driver)
    if outcome is Outcome.DIVERGED:
        broken = {"mse": math.inf, "under": math.nan}
        metrics = {"rmse": math.inf, "shortfall": math.nan}
        made = (*made[:2], EpochReport(2, broken, broken, metrics, bad="term mse"))
    result = TrialResult(
        weights=weights,
        seed=7,
        outcome=outcome,
        reports=made,
        reason=reason,
        seconds=0.25,
        trainer="fit",
    )
    return Finished(Asked(number, {"under": under}, kind), result)


def chosen_trials(rate="hyper/learning_rate", options=("dice", "tversky")):
    """Twelve trials of a learning rate, and of one of two options, the second with a number."""
    made = []
    for n in range(12):
        chosen = {
            rate: 1e-4 * 2**n,
            "term/under": options[n % 2],
            f"term/under/{options[1]}/alpha": 0.1 + n / 20,
        }
        weight = 0.0 if n == 3 else 0.1 * 2**n  # off
        trial = finished(n, 10.0 + n, 30.0 - n, under=weight)
        made.append(replace(trial, result=replace(trial.result, chosen=chosen)))
    return made


def manifest(name="demand", **changes):
    """A manifest as a sweep of these trials would have it."""
    return {
        "format": "lossweights/sweep",
        "version": 1,
        "name": name,
        "created": "2026-01-02T03:04:05.678+00:00",
        "script": None,
        "objectives": OBJECTIVES,
        "scales": None,
        "terms": {"mse": {"class": "keras:MeanSquaredError"}, "under": None},
        **changes,
    }


def save_sweep(root, trials, name="demand", **changes):
    """A sweep folder with these trials in it, as a reader finds it."""
    folder = sweep_folder(root, name)
    for trial in trials:
        write_results(folder, [trial])
    write_atomic(folder / "manifest.json", dump_json(manifest(name, **changes)))
    return folder
