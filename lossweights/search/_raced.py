"""The baselines of a sweep, once they are known: which are trials, and which stand beside them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lossweights.base.errors import LossweightsError, SpaceError, WeightError
from lossweights.base.sampled import Value
from lossweights.loss.adaptive import Uncertainty, method_json, method_of
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY, check_weights
from lossweights.search._named_baselines import INVERSE, Baseline
from lossweights.search.space import Space
from lossweights.search.start import equal_weights

log = logging.getLogger("lossweights")

_SAME = 1e-6  # relative: what a simplex's coordinates give back


class Outside(NamedTuple):
    """A baseline that is trained beside the trials.

    Attributes:
        name: Its name.
        weights: Relative weights; with a method those that it begins with.
        method: The method that moves them as JSON, or ``None``.
    """

    name: str
    weights: dict[str, float]
    method: dict[str, Any] | None


@dataclass(frozen=True)
class Baselines:
    """The baselines of a sweep, checked; see `check_baselines`.

    Attributes:
        entries: What is raced, each name and each weight set once.
    """

    entries: tuple[Baseline, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Baseline]) -> Baselines:
        """Baselines in their order, each weight set once."""
        kept: list[Baseline] = []
        for each in sorted(entries, key=lambda one: one.rank):
            if not any(is_same(each, other) for other in kept):
                kept.append(each)
        return cls(tuple(kept))

    @property
    def names(self) -> list[str]:
        """Their names: today's weights, equal and inverse ones, what is left out, methods."""
        return [each.name for each in self.entries]

    def inside(self, space: Space) -> dict[str, dict[str, Value]]:
        """The parameter values of those that are trials, by name."""
        found = {
            each.name: _parameters_in(space, each.weights) for each in self.entries if each.is_fixed
        }
        return {name: parameters for name, parameters in found.items() if parameters is not None}

    def outside(self, space: Space, magnitudes: Mapping[str, float] | None) -> list[Outside]:
        """Those that are trained beside the trials, in order.

        Args:
            space: The search space.
            magnitudes: Unweighted magnitude of each term before training, in the units of the
                space: divided by its scale if there are scales. ``None`` where nothing was
                measured. Without positive ones there is no ``inverse``, and the log says so.
        """
        inside = self.inside(space)
        found = []
        for each in self.entries:
            weights: Mapping[str, float] | None = each.weights
            if each.name == INVERSE:
                weights = _inverse(each.weights, magnitudes)
            if each.name not in inside and weights is not None:
                method = None if each.method is None else method_json(each.method)
                found.append(Outside(each.name, dict(weights), method))
        return found

    def check_scales(self, space: Space, scales: Mapping[str, float]) -> None:
        """Refuse weights outside the space that float32 does not hold, divided by ``scales``.

        Raises:
            WeightError: Names the baseline, the term, its weight and its scale.
        """
        inside = self.inside(space)
        for each in self.entries:
            for term, weight in each.weights.items():
                held = weight == 0 or FLOAT32_TINY <= weight / scales[term] <= FLOAT32_MAX
                if each.name not in inside and not held:
                    raise WeightError(
                        f"Expected weights from {FLOAT32_TINY:.3g} to {FLOAT32_MAX:.3g}, or 0, "
                        f"after division by their scale. Found {weight:.3g} of {term!r} in the "
                        f"baseline {each.name!r}, and the scale {scales[term]:.3g}. Change the "
                        f"weight, or pass scales={{...}}."
                    )

    def to_json(self, space: Space) -> dict[str, Any]:
        """All of it as plain JSON values, for manifests; with ``parameters`` for what is inside."""
        inside = self.inside(space)
        return {
            each.name: {
                "weights": dict(each.weights),
                **({"parameters": inside[each.name]} if each.name in inside else {}),
                **({} if each.method is None else {"method": method_json(each.method)}),
            }
            for each in self.entries
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Baselines:
        """The baselines that `to_json` described.

        Raises:
            WeightError: They are none.
        """
        try:
            return cls.of(
                Baseline(
                    str(name),
                    check_weights(said["weights"]),
                    method_of(said["method"]) if said.get("method") else None,
                )
                for name, said in value.items()
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise WeightError(
                f"Expected the description of baselines. Found {value!r:.80}."
            ) from error


NO_BASELINES = Baselines()


def is_same(one: Baseline, other: Baseline) -> bool:
    """Whether two baselines are one training under two names."""
    same_rule = one.method == other.method and one.is_fixed == other.is_fixed
    return same_rule and _are_close(one.weights, other.weights)


def _are_close(some: Mapping[str, float], others: Mapping[str, float]) -> bool:
    return all(
        math.isclose(weight, others[name], rel_tol=_SAME, abs_tol=0.0)
        for name, weight in some.items()
    )


def _parameters_in(space: Space, weights: Mapping[str, float]) -> dict[str, Value] | None:
    """The parameter values that give these weights, or ``None`` outside the space."""
    try:
        start = equal_weights(space)
        if _are_close(space.weights(start), weights):
            return start  # as every sweep starts, to the bit
        found = space.parameters_of(weights)
        return found if _are_close(space.weights(found), weights) else None
    except (SpaceError, WeightError):
        return None


def _inverse(
    weights: Mapping[str, float], magnitudes: Mapping[str, float] | None
) -> Mapping[str, float] | None:
    """Weights in proportion to inverse magnitudes, of the same sum; ``None`` if there are none."""
    if magnitudes is None:
        return None
    method = Uncertainty()  # the same formula, once for all
    try:
        state = method.step(method.start(weights), magnitudes)
    except LossweightsError as error:
        log.warning("there is no baseline %r: %s", INVERSE, error)
        return None
    if state.kept is not None:
        log.warning("there is no baseline %r: %s before training", INVERSE, state.kept)
        return None
    return state.weights
