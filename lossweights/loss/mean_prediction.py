"""What each term costs for one constant prediction that is the same for all: the targets' mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lossweights.base.errors import TermError
from lossweights.loss._constant import Shape, mean_prediction, value_of
from lossweights.loss._parts import about_targets, parts_of


def mean_magnitudes(
    terms: Mapping[str, Any],
    y: ArrayLike | Mapping[str, ArrayLike],
    sample_weight: Any = None,
    *,
    output_shape: Shape | Mapping[str, Shape] | None = None,
) -> dict[str, float]:
    """The value of each term for a model that predicts the mean of the targets for every sample.

    Where the outputs are probabilities or logits, it is the frequency of each class, written as
    they are. All terms of an output are measured on the same prediction, unlike their reference
    scales, each of which belongs to the constant that suits its own term best. So their weighted
    sum is what a model would cost that exists, and that knows nothing of the inputs. What a model
    adds itself is not known of such a one, and left out.

    Args:
        terms: Terms by name, or anything that a combined loss takes as terms.
        y: Targets, shape ``(n, ...)``; a dict of them for several outputs.
        sample_weight: Weights as given to ``fit``, or ``None``.
        output_shape: ``model.output_shape``; a dict for several outputs.

    Raises:
        TermError: Terms of one output read its predictions in different ways, one as logits, say,
            so that no prediction is the mean to all of them; or a term is not finite for it.

    >>> found = mean_magnitudes({"mse": "mse", "mae": "mae"}, [[0.0], [0.0], [3.0]])
    >>> {name: round(value, 4) for name, value in found.items()}
    {'mse': 2.0, 'mae': 1.3333}
    """
    found: dict[str, float] = {}
    by_output: dict[str, Any] = {}
    parts = list(parts_of(about_targets(terms), y, sample_weight, output_shape))
    # Terms between outputs come last: outputs are predicted as their own terms read them.
    for part in sorted(parts, key=lambda part: part.layout is not None):
        if part.layout is not None and set(part.layout.predictions) <= set(by_output):
            for name, term, targets in part.terms:
                found[name] = value_of(term, targets, part.layout.numbers_of(by_output))
            continue
        predictions = [mean_prediction(t, targets, part.shape) for _, t, targets in part.terms]
        first = predictions[0]
        if any(p.shape != first.shape or not np.allclose(p, first) for p in predictions):
            names = ", ".join(name for name, _, _ in part.terms)
            raise TermError(
                f"Expected terms that read predictions alike. Found that {names} do not: to some "
                f"they are values, to others logits. No prediction is the mean to all of them."
            )
        if part.output is not None:
            by_output[part.output] = first
        for name, term, targets in part.terms:
            found[name] = value_of(term, targets, first)
    broken = [name for name, value in found.items() if not np.isfinite(value)]
    if broken:
        raise TermError(
            f"Expected terms that are finite for the mean of the targets. Found {', '.join(broken)}"
            f" otherwise. Check the targets and the terms."
        )
    return {name: found[name] for name in terms if name in found}
