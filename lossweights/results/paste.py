"""The line of code that puts a weight set to use, as a person pastes it into a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lossweights.base.commands import DEFAULT_ROOT, from_here
from lossweights.base.errors import InvalidName
from lossweights.base.sampled import HYPER
from lossweights.loss.weight_set import WeightSet
from lossweights.results.weights import pick_path


def line_to_paste(weights: WeightSet, root: Path = DEFAULT_ROOT) -> str:
    """The call of ``compile`` with the loss of a pick; see `loss_to_paste`.

    >>> print(line_to_paste(WeightSet({"mse": 1.0}, terms={"mse": {"class": "keras:MSE"}})))
    model.compile(optimizer, loss=lw.WeightSet({'mse': 1.0}).loss(terms={'mse': ...}))
    """
    call = call_to_paste(weights, root)
    return call if _sets_optimizer(weights) else f"model.compile(optimizer, loss={call})"


def call_to_paste(weights: WeightSet, root: Path = DEFAULT_ROOT) -> str:
    """The loss of a pick; or, where numbers of the optimizer were chosen too, what sets both.

    >>> origin, chosen = {"sweep": "bikes", "pick": "knee"}, {"hyper/learning_rate": 0.01}
    >>> terms = {"mse": {"class": "MeanSquaredError"}}
    >>> print(call_to_paste(WeightSet({"mse": 1.0}, terms=terms, origin=origin, chosen=chosen)))
    lw.SweepResult.read('bikes').best('knee').compile(model, optimizer)
    """
    if not _sets_optimizer(weights):
        return loss_to_paste(weights, root)
    swept = weights.provenance.recipe.get("optimizer")
    can_be_made = isinstance(swept, Mapping) and "code" not in swept
    given = ["model"] if can_be_made else ["model", "optimizer"]
    return f"{_source(weights, root)}.compile({', '.join([*given, *_own_terms(weights)])})"


def loss_to_paste(weights: WeightSet, root: Path = DEFAULT_ROOT) -> str:
    """The loss of a pick.

    A pick that the sweep saved is loaded by its name, what a person promoted by that of the sweep;
    another one is picked once more. Terms that
    only code can describe are left for the reader to fill in.

    Args:
        weights: What `lossweights.results.result.SweepResult.best` or
            `lossweights.results.promotion.promoted_set` gave.
        root: Folder of the sweep.
    """
    return f"{_source(weights, root)}.loss({''.join(_own_terms(weights))})"


def _sets_optimizer(weights: WeightSet) -> bool:
    """Whether the set holds what was chosen for the optimizer, or for the model."""
    return any(name.startswith(HYPER) for name in weights.chosen)


def _source(weights: WeightSet, root: Path) -> str:
    """What gives the weight set: loading, picking, or the numbers themselves."""
    sweep, pick = weights.origin.get("sweep"), weights.origin.get("pick")
    if not isinstance(sweep, str) or not isinstance(pick, str):
        chosen = f", chosen={dict(weights.chosen)!r}" if weights.chosen else ""
        return f"lw.WeightSet({dict(weights.weights)!r}{chosen})"
    is_usual = root.resolve() == DEFAULT_ROOT.resolve()
    place = "" if is_usual else f", root={str(from_here(root))!r}"
    if weights.provenance.promotions:  # what was promoted alone has a history
        return f"lw.load({sweep!r}{place})"
    if _is_saved(root, sweep, pick):
        return f"lw.load({f'{sweep}@{pick}'!r}{place})"
    return f"lw.SweepResult.read({sweep!r}{place}).best({pick!r})"


def _is_saved(root: Path, sweep: str, pick: str) -> bool:
    try:
        return pick_path(root, sweep, pick).exists()
    except InvalidName:  # one with conditions is no name of a file
        return False


def _own_terms(weights: WeightSet) -> list[str]:
    """The argument for terms that only code can describe, if there are any."""
    described = weights.origin.get("sweep") is not None
    own = [name for name in weights.weights if not described or weights.terms.get(name) is None]
    return [f"terms={{{', '.join(f'{name!r}: ...' for name in own)}}}"] if own else []
