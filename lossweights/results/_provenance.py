"""What a weight set says of the training behind it: numbers, confirmation, recipe, model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lossweights.dominance.judge import judge_results
from lossweights.dominance.verdict import Verdict
from lossweights.loss.provenance import DATA_SETS, Provenance
from lossweights.results.contest import Contestant
from lossweights.results.proof import Kept, estimate

_NO_MATTER = ("probe_size",)  # of a recipe: what moves no parameter


def provenance_of(result: Any, pick: str, kept: Kept) -> Provenance:
    """What is known of the training behind a pick.

    Args:
        result: The `lossweights.results.result.SweepResult`.
        pick: Its name, or what asks for it.
        kept: The training.
    """
    contestant = _contestant(result, pick, kept)
    replicas, made = kept.result.replicas, result.made
    return Provenance(
        measured=_measured(result, contestant, kept),
        confirmation=_confirmation(result, contestant),
        drove=_drove(_verdict(result, kept)),
        seeds=[each.seed for each in replicas] or [kept.result.seed],
        recipe=_recipe(result.recipe),
        data=made["data"] if isinstance(made.get("data"), str) else "",
        versions=_texts(made.get("versions")),
        model=result.winner.model_of(pick, kept.trial),
    )


def _contestant(result: Any, pick: str, kept: Kept) -> Contestant | None:
    """The contestant of a confirmation that has ended which is the pick, if there is one."""
    look = result.proof.look
    if look is None or not look.whole:
        return None
    named = look.named(pick)
    if kept.trial is None or (named is not None and named.trial == kept.trial):
        return named
    same = (each for each in look.contestants if each.trial == kept.trial and not each.method)
    return next(same, None)


def _measured(
    result: Any, contestant: Contestant | None, kept: Kept
) -> dict[str, dict[str, dict[str, float]]]:
    """Means with intervals: of the confirmation, or of the trial's own seeds."""
    look = result.proof.look
    if look is not None and contestant is not None:
        found = {
            data: {m: [*look.values(contestant.name, m, data).values()] for m in look.metrics(data)}
            for data in DATA_SETS
        }
    else:
        replicas = kept.result.replicas
        values = {name: [value] for name, value in kept.metrics.items()}
        if replicas:
            values = {n: [r.metrics[n] for r in replicas if n in r.metrics] for n in values}
        found = {"val": values}
    said = {
        data: {name: _estimate(numbers) for name, numbers in of.items()}
        for data, of in found.items()
    }
    told = {data: {name: each for name, each in of.items() if each} for data, of in said.items()}
    return {data: of for data, of in told.items() if of}


def _estimate(numbers: list[float]) -> dict[str, float]:
    """The mean of the finite ones with its interval; empty if there are none."""
    of = estimate([number for number in numbers if math.isfinite(number)])
    known = {"mean": of.mean, "low": of.low, "high": of.high}
    told = {key: value for key, value in known.items() if math.isfinite(value)}
    return {**told, "seeds": of.n} if "mean" in told else {}


def _confirmation(result: Any, contestant: Contestant | None) -> dict[str, Any]:
    look = result.proof.look
    if look is None or contestant is None:
        return {}
    promotion = result.proof.promotion
    promoted = {} if promotion is None else {"promoted": promotion.promoted.name}
    return {"look": look.number, "seeds": list(look.seeds), **promoted}


def _verdict(result: Any, kept: Kept) -> Verdict | None:
    if kept.trial is not None:
        return result.verdicts.get(kept.trial)
    return judge_results({0: kept.result}, result.baseline).get(0)


def _drove(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    share, decrease = _finite(verdict.share), _finite(verdict.decrease)
    return {"driver": verdict.driver, "share": share, "decrease": decrease}


def _finite(parts: Mapping[str, float]) -> dict[str, float]:
    return {name: float(part) for name, part in parts.items() if math.isfinite(part)}


def _recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without what is not set."""
    said = {k: v for k, v in recipe.items() if v is not None and k not in _NO_MATTER}
    return {
        name: {k: v for k, v in value.items() if v is not None}
        if isinstance(value, dict)
        else value
        for name, value in said.items()
    }


def _texts(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}
