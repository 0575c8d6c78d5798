"""Weights for other data: relative weights stay, and scales are those of the new targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lossweights.base.errors import WeightSetError

KEY = "rescaled"  # in the origin of a set: what changed


def rescaled(
    weights: Any,
    terms: Mapping[str, Any],
    y: Any,
    sample_weight: Any,
    output_shape: Any,
    keep_size: bool | None,
) -> Any:
    """A set for other targets; see `lossweights.loss.weight_set.WeightSet.rescale`.

    Args:
        weights: The `lossweights.loss.weight_set.WeightSet`.
        terms: Its terms, built.
        y: The new targets.
        sample_weight: Their weights, or ``None``.
        output_shape: Shape of the model's output, where it is not that of the targets.
        keep_size: Whether scales have a mean of 1; ``None`` if those of the set do.
    """
    from lossweights.loss.scales import of_mean_one, reference_scales

    before = weights.scales
    if before is None:
        raise WeightSetError(
            f"Expected a weight set whose weights are relative to its data. Found "
            f"{weights.name or 'one'} without scales: its weights were taken as they are. Use "
            f"them so, or sweep with scales='data'."
        )
    on = {name: term for name, term in terms.items() if weights.weights[name] > 0}
    found = reference_scales(on, y, sample_weight, output_shape=output_shape)
    if keep_size is None:
        several = len(before) > 1
        keep_size = several and math.isclose(math.fsum(before.values()), len(before), rel_tol=1e-9)
    if keep_size:
        found = of_mean_one(found)
    scales = {name: found.get(name, before[name]) for name in weights.weights}
    relative = weights.relative
    now = {name: relative[name] / scales[name] for name in weights.weights}
    said = "; ".join(
        f"{name} {weights.weights[name]:.4g} to {now[name]:.4g} (scale {before[name]:.4g} to "
        f"{scales[name]:.4g})"
        for name in on
    )
    origin = {**weights.origin, KEY: said}
    return replace(weights, weights=now, scales=scales, origin=origin, recorded=False)
