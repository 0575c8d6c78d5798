"""A plan of a sweep: one look at its model with the weights that it would try first."""

from __future__ import annotations

from collections.abc import Mapping

from lossweights.base.sampled import Value
from lossweights.loss.combined import CombinedLoss
from lossweights.search.space import Space
from lossweights.sweep._plan import Plan
from lossweights.sweep._prepare import PreparedSweep
from lossweights.sweep.plan import View
from lossweights.training.problem import Problem


def plan_sweep(
    problem: Problem,
    prepared: PreparedSweep,
    space: Space,
    first: Mapping[str, Value],
    *,
    seed: int,
    trials: int | None,
    epochs: int | None,
) -> Plan:
    """Look at what a sweep would train; see `lossweights.sweep.sweep.Sweep.plan`.

    Args:
        problem: What is trained.
        prepared: The sweep, rehearsed.
        space: What is sampled.
        first: The parameter values that are tried first.
        seed: Seed of the model and of the order of the rows.
        trials: How many trials to estimate the time of, or ``None``.
        epochs: Passes over the data in each; by default those of the problem.
    """
    sample = prepared.data.train.sample
    weights = space.weights(first)
    view = View(
        loss=CombinedLoss(dict(problem.terms), weights, scales=prepared.scales),
        model=problem.make_model(seed, x=sample.head(1).x),
        data=(sample.x, sample.y, sample.sample_weight),
        optimizer=problem.make_optimizer(),
        batch_size=problem.batch_size,
        space=space,
        units=dict(prepared.scales or {}),
        seed=seed,
        notes=(_which(weights, prepared.scales is not None),),
    )
    if trials is None:
        return view.plan()
    return view.plan(lambda _: prepared.trainers.estimate(trials, epochs))


def _which(weights: Mapping[str, float], scaled: bool) -> str:
    """Which weights these are, since a sweep has many."""
    values = ", ".join(f"{name} {weight:.4g}" for name, weight in weights.items())
    relative = ", relative to the reference scales" if scaled else ""
    return f"The weights are those that the sweep tries first: {values}{relative}."
