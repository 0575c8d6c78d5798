"""A plan: what one look at a loss and a model has shown, for a person and for a program."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lossweights.dominance.gram import Floats, contributions, cosines, gradient_norms, norm_shares
from lossweights.dominance.judge import judge
from lossweights.dominance.shares import shares
from lossweights.dominance.verdict import Verdict, finite, listed, percent
from lossweights.search.space import Fixed, LogUniform
from lossweights.training.estimate import TimeEstimate

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "lossweights/plan"
VERSION = 1

MOMENTS = ("start", "after")  # of the measurements: before the steps, and after them
# What is printed of each, in parts of 1 or as it is.
COLUMNS = {"magnitude": False, "share": True, "gradient": False, "pull": True, "drives": True}
LEGEND = (
    "magnitude: unweighted mean; share: of the weighted sum; gradient: length, unweighted; pull: "
    "of the\nweighted lengths; drives: of what a gradient step takes off. Each before -> after the "
    "steps."
)


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no single answer to ==
class Plan:
    """One look at a loss and a model, without a sweep: what `lossweights.plan` gives.

    Printing it gives a table with the verdict, the suggested ranges and the time. Each measurement
    is a pair: at the start, and after the steps.

    Attributes:
        weights: What multiplies each part of the loss: terms, the losses of other outputs under
            Keras' names for them, and the model's own losses under the name ``model``.
        magnitudes: Unweighted mean of each part, start and after, on rows spread over the data.
        grams: Gram matrices of the unweighted gradients with respect to the trainable parameters,
            each of shape ``(parts, parts)``.
        scales: Reference scale of each term that has one, see `lossweights.reference_scales`.
        optimizer: Name of the optimizer of which a copy made the steps.
        batch_size: Rows a step.
        steps: Training steps between the two measurements.
        rows: Rows of the data.
        space: A suggested range for the weight of each term; see
            `lossweights.search.suggest.suggested_space`. Empty for one term alone.
        unscaled: Whether the ranges are of weights as they are, for ``Sweep(scales=None)``, and not
            relative to the reference scales.
        time: How long a sweep trains, if that was asked.
        notes: Sentences on what to know, such as a dimension of the space that does nothing.
    """

    weights: Mapping[str, float]
    magnitudes: Mapping[str, tuple[float, float]]
    grams: tuple[Floats, Floats]
    scales: Mapping[str, float]
    optimizer: str
    batch_size: int
    steps: int
    rows: int
    space: Mapping[str, Fixed | LogUniform]
    unscaled: bool = False
    time: TimeEstimate | None = None
    notes: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"<Plan of {', '.join(self.weights)}: {self.verdict}>"

    def __str__(self) -> str:
        """The plan as a page of text."""
        parts = [
            f"{self.steps} steps of {self.optimizer}, {self.batch_size} of {self.rows} rows each, "
            f"made aside; the model is as it was.\n",
            _aligned(self._lines()),
            LEGEND,
            f"\nDegrees between gradients: {self._angles_text()}." if self.angles else "",
            f"\n{self.verdict}",
            f"\nSuggested ranges:\n{self.space_text}" if self.space else "",
            f"\nTime: {self.time}." if self.time else "",
            *(f"\nNote: {note}" for note in self.notes),
        ]
        return "\n".join(part for part in parts if part)

    @property
    def driver(self) -> str | None:
        """The part that would drive with today's weights, or ``None``."""
        return self._judged.driver

    @property
    def verdict(self) -> str:
        """One sentence: which term would drive with today's weights, as far as the start tells."""
        judged = self._judged
        if judged.undetermined:
            return f"Who would drive cannot be said: {judged.reason}."
        who = f"{judged.driver} would drive" if judged.driver else "no single term would drive"
        parts = ", ".join(f"{name} {percent(part)}" for name, part in judged.decrease.items())
        lost = [name for name, word in judged.words.items() if word == "sacrificed"]
        worse = f"; {listed(lost)} would get worse" if lost else ""
        return f"With these weights {who} the first steps ({parts} of {self._what}){worse}."

    @cached_property
    def _moved(self) -> Verdict:
        """What the steps took off the weighted loss, part by part."""
        return judge(self.weights, np.array(list(self.magnitudes.values())).T)

    @cached_property
    def _judged(self) -> Verdict:
        """By what the steps did; where they did too little to tell, by the gradients."""
        if not self._moved.undetermined or self._moved.rose:
            return self._moved
        parts = contributions(self._w, np.stack(self.grams))
        return judge(dict.fromkeys(self.weights, 1.0), [parts, np.zeros_like(parts)])

    @property
    def _what(self) -> str:
        if self._judged is self._moved:
            return "what they took off the weighted loss"
        return "a gradient step's decrease; the steps taken were too small to tell"

    @property
    def _w(self) -> Floats:
        return np.array(list(self.weights.values()), dtype=np.float64)

    @cached_property
    def measured(self) -> dict[str, dict[str, tuple[float, float]]]:
        """By quantity and part, start and after.

        ``magnitude``, unweighted; ``share``, its part of the weighted sum; ``gradient``, the length
        of the unweighted gradient; ``pull``, its part of the lengths of all weighted ones;
        ``drives``, its part of the first-order decrease of a gradient step.
        """
        sizes = np.array(list(self.magnitudes.values()), dtype=np.float64).T
        found = {
            "magnitude": sizes,
            "share": shares(self._w, sizes),
            "gradient": np.array([gradient_norms(gram) for gram in self.grams]),
            "pull": np.array([norm_shares(self._w, gram) for gram in self.grams]),
            "drives": np.array([contributions(self._w, gram) for gram in self.grams]),
        }
        return {
            quantity: {
                name: (float(values[0, i]), float(values[1, i]))
                for i, name in enumerate(self.weights)
            }
            for quantity, values in found.items()
        }

    @cached_property
    def angles(self) -> dict[str, tuple[float, float]]:
        """Degrees between the gradients of two parts, by ``"a/b"``, start and after.

        Below 90 they pull the same way, above against each other; weights do not turn them.
        """
        turned = [np.degrees(np.arccos(cosines(gram))) for gram in self.grams]
        return {
            f"{a}/{b}": (float(turned[0][i, j]), float(turned[1][i, j]))
            for (i, a), (j, b) in combinations(enumerate(self.weights), 2)
        }

    @property
    def table(self) -> pd.DataFrame:
        """One row a part: ``weight``, ``scale``, ``decrease`` and `measured`, as ``share/start``.

        ``decrease`` is the part of what the steps took off the weighted loss.
        """
        import pandas as pd

        columns = {
            f"{quantity}/{moment}": {name: pair[i] for name, pair in values.items()}
            for quantity, values in self.measured.items()
            for i, moment in enumerate(MOMENTS)
        }
        names = list(self.weights)
        scales = {name: self.scales.get(name, math.nan) for name in names}
        decrease = {name: self._moved.decrease.get(name, math.nan) for name in names}
        columns = {"weight": dict(self.weights), "scale": scales, **columns, "decrease": decrease}
        return pd.DataFrame(columns, index=pd.Index(names, name="part"))

    @property
    def space_text(self) -> str:
        """The suggested ranges as arguments of a sweep, to be pasted."""
        lines = [f"    {name!r}: {_spelled(part)},".replace("'", '"') for name, part in
                 self.space.items()]  # fmt: skip
        text = "\n".join(["space={", *lines, "},"])
        return f"{text}\nscales=None," if self.unscaled else text

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values, in a format with a version; NaN becomes ``None``."""

        def pair(values: Iterable[float]) -> dict[str, float | None]:
            return dict(zip(MOMENTS, map(finite, values), strict=True))

        decrease = self._moved.decrease
        return {
            "format": FORMAT,
            "version": VERSION,
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "rows": self.rows,
            "parts": {
                name: {
                    "weight": finite(weight),
                    "scale": finite(self.scales.get(name)),
                    **{key: pair(values[name]) for key, values in self.measured.items()},
                    "decrease": finite(decrease.get(name)),
                }
                for name, weight in self.weights.items()
            },
            "angles": {names: pair(values) for names, values in self.angles.items()},
            "driver": self.driver,
            "verdict": self.verdict,
            "space": {
                name: {"kind": type(part).__name__, **vars(part)}
                for name, part in self.space.items()
            },
            "unscaled": self.unscaled,
            "time": None if self.time is None else self.time.to_json(),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        """The plan for a notebook."""
        rest = [self.verdict, *([f"Time: {self.time}."] if self.time else []), *self.notes]
        said = "".join(f"<p>{html.escape(text)}</p>" for text in rest)
        space = f"<pre>{html.escape(self.space_text)}</pre>" if self.space else ""
        return f"{self.table.to_html(float_format='{:.4g}'.format)}{said}{space}"

    def _lines(self) -> list[list[str]]:
        """The table as texts, headings first."""
        lines = [["", "weight", "scale", *COLUMNS]]
        for name, weight in self.weights.items():
            line = [name, f"{weight:.4g}", _number(self.scales.get(name, math.nan))]
            for quantity, is_part in COLUMNS.items():
                pair = self.measured[quantity][name]
                line.append(" -> ".join(_number(v, percent if is_part else _plain) for v in pair))
            lines.append(line)
        return lines

    def _angles_text(self) -> str:
        told = {
            names.replace("/", " and "): [_number(v, "{:.0f}".format) for v in pair]
            for names, pair in self.angles.items()
        }
        return ", ".join(f"{names} {a} -> {b}" for names, (a, b) in told.items())


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _number(value: float, written: Callable[[float], str] = _plain) -> str:
    return written(value) if math.isfinite(value) else "-"


def _spelled(part: Fixed | LogUniform) -> str:
    """As a script writes it."""
    values = ", ".join(repr(value) for value in vars(part).values())
    return f"lw.{type(part).__name__}({values})"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of texts; the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if i else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
