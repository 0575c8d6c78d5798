"""Sweeps made by hand for the report: three terms whose trade-off is known, no training."""

import numpy as np

from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json
from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.folder import Asked, Finished, sweep_folder, write_results
from lossweights.results.result import SweepResult

TERMS = ("mse", "under", "boundary")


def made_up(root, count, epochs=20, name="made-up", seed=0):
    """A folder with so many trials: rmse rises with the weight of `under`, and shortfall falls."""
    rng = np.random.default_rng(seed)
    folder = sweep_folder(root, name)
    write_results(folder, [trial(number, rng, epochs) for number in range(count)])
    manifest = {
        "format": "lossweights/sweep", "version": 1, "name": name, "script": "sweeps/made_up.py",
        "created": "2026-01-02T03:04:05.678+00:00", "scales": None, "seed": seed, "trials": count,
        "objectives": {"rmse": "minimize", "shortfall": "minimize"},
        "terms": {term: {"class": "keras:MeanSquaredError"} for term in TERMS},
        "recipe": {"epochs": epochs},
        "versions": {"keras": "3.15.1"},
    }  # fmt: skip
    write_atomic(folder / "manifest.json", dump_json(manifest))
    result = SweepResult.read(name, root)
    if result.has_best:
        result.save_picks(root)
    return name


def trial(number, rng, epochs):
    """One trial at random weights; every fiftieth diverges."""
    under, boundary = (float(10**power) for power in rng.uniform(-2, 2, 2))
    weights = {"mse": 1.0, "under": under, "boundary": boundary}
    pull = under / (1 + under + boundary)
    rmse = 50 + 100 * pull**2 + 20 * boundary / (1 + under + boundary) + rng.normal(0, 0.5)
    shortfall = 60 * float(np.exp(-4.5 * pull + rng.normal(0, 0.02)))
    parts = {name: w / (1 + under + boundary) for name, w in weights.items()}
    reports = tuple(report(epoch, epochs, parts, rmse, shortfall) for epoch in range(epochs + 1))
    outcome, reason = Outcome.COMPLETE, ""
    if number % 50 == 49:
        outcome, reason = Outcome.DIVERGED, "term under became inf in epoch 3"
        reports = reports[:3]
    result = TrialResult(weights, 7, outcome, reports, reason, seconds=2.0, trainer="stacked")
    return Finished(Asked(number, {"under": under, "boundary": boundary}, "trial"), result)


def report(epoch, epochs, parts, rmse, shortfall):
    """Magnitudes that fall the more, the more weight a term has."""
    left = 1 - epoch / (epochs + 1)
    sizes = {name: 10 * (1 - part * (1 - left**2)) for name, part in parts.items()}
    metrics = {"rmse": rmse * (1 + left), "shortfall": shortfall * (1 + left)}
    if epoch == epochs:
        metrics = {"rmse": rmse, "shortfall": shortfall}
    return EpochReport(epoch, sizes, dict(sizes), metrics)
