"""What a sweep has to beat in a run: what was declared, asked for, or kept from before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lossweights.base.sampled import Value
from lossweights.search.baselines import Baselines, check_baselines
from lossweights.search.start import starting_points
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._options import RunOptions


class Raced(NamedTuple):
    """The baselines of a run.

    Attributes:
        baselines: All of them.
        first: Parameter values to try first, those inside the space before others.
        asked: What was asked for in place of what the sweep declares, such as ``"none"``; or
            ``None``.
    """

    baselines: Baselines
    first: Sequence[Mapping[str, Value]]
    asked: str | None = None


def raced_in(sweep: Declaration, options: RunOptions, manifest: Mapping[str, Any] | None) -> Raced:
    """The baselines of a run.

    Args:
        sweep: The sweep.
        options: The options of the run.
        manifest: That of a sweep that is gone on with: what was asked for on its command line still
            holds.

    Raises:
        RecipeError: What was asked for names no baselines.
    """
    asked = options.baselines
    if asked is None and manifest is not None and isinstance(manifest.get("raced"), str):
        asked = str(manifest["raced"])
    if asked is None:
        return Raced(sweep.contest_baselines, sweep.baselines)
    found = check_baselines(asked, sweep.space, sweep.contest_baselines)
    return Raced(found, starting_points(sweep.space, found.inside(sweep.space).values()), asked)
