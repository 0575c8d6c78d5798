"""Units of options: what makes the terms of one choice alike in size."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lossweights.loss.scales import reference_scales
from lossweights.terms import Term
from lossweights.terms.chosen import choices_in


def option_units(
    terms: Mapping[str, Term], read: Mapping[str, Any], off: Collection[str]
) -> dict[str, dict[str, float]]:
    """What each option of a term is multiplied by, to have the reference scale of the first one.

    So a weight means the same whatever is chosen.

    Args:
        terms: The terms by name.
        read: What `reference_scales` reads of the training data.
        off: Terms that every trial switches off, which need no scale.

    Raises:
        WeightError: An option has no scale.
    """
    on = {name: term for name, term in terms.items() if name not in off}
    units = {}
    for name, term in on.items():
        for choice in choices_in(term):
            scales = {}
            for option in [*choice.options, str(choice.which.usual)]:  # the usual one is left there
                choice.show(option)
                scales[option] = reference_scales(on, **read)[name]
            usual = scales[str(choice.which.usual)]
            units[name] = {option: usual / scales[option] for option in choice.options}
    return units
