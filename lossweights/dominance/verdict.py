"""The verdict on one training: numbers, and the same for a person and for a program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lossweights.base.names import MODEL
from lossweights.base.shown import in_angles, paragraph, table

FORMAT = "lossweights/verdict"
VERSION = 1

MISLEADING = 0.2  # a share that is so far from the decrease share deserves a sentence
OPPOSED_BELOW = -0.1  # cosines under which two gradients are said to pull against each other


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdict:
    """Which term drove one training, and in which words; printing it gives the sentence.

    The rules are in `lossweights.dominance.judge`, whose `judge` makes it. Parts are of 1; a part
    that is not defined is NaN.

    Attributes:
        driver: The term that supplied clearly more of the decrease than all others together, or
            ``None``.
        words: ``"drove"``, ``"balanced"``, ``"inert"`` or ``"sacrificed"`` for each term;
            ``"undetermined"`` for all if the training diverged or the weighted loss did not fall.
        decrease: Decrease share of each term over the whole run.
        late: The same over the second half of the decrease, where the easy part is done.
        late_driver: The term that drove the second half, or ``None``.
        together: Terms that drove training together, none of them clearly more than another; empty
            if one did alone, or if these do not clearly stand out either.
        share: Part of each term in the weighted loss at the end. Not a measure of what drove; NaN
            where a term is negative.
        weighted: Weighted magnitude of each term at the end.
        noise: Standard deviation of each decrease share, from how the last reports jump; 0 with
            too few reports.
        conflict: How much of what the falling terms gained the others lost, 0 to 1.
        baseline: Decrease share of each term from a constant prediction, the mean of the
            targets, instead of the untrained model, which depends on no seed; ``None`` where that
            is not known.
        contribution: Part of each term in the decrease by the gradients measured, or ``None``.
        cosines: Cosine between the gradients of two terms over the run, by ``"a/b"``.
        warnings: Sentences on what to doubt.
        reason: Why the verdict is undetermined, empty otherwise.
    """

    driver: str | None
    words: Mapping[str, str]
    decrease: Mapping[str, float]
    late: Mapping[str, float]
    share: Mapping[str, float]
    late_driver: str | None = None
    together: Sequence[str] = ()
    weighted: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    conflict: float = math.nan
    baseline: Mapping[str, float] | None = None
    contribution: Mapping[str, float] | None = None
    cosines: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    reason: str = ""

    def __str__(self) -> str:
        return self.sentence

    __repr__ = in_angles

    def _repr_html_(self) -> str:
        """The sentence, a row for each term, and what to doubt."""
        rows = [
            [name, word, *(_shown(of.get(name)) for of in (self.decrease, self.late, self.share))]
            for name, word in self.words.items()
        ]
        headings = ["term", "verdict", "decrease", "second half", "share at the end"]
        doubts = "".join(map(paragraph, self.warnings))
        return f"{paragraph(self.sentence)}{table(headings, rows)}{doubts}"

    @property
    def undetermined(self) -> bool:
        """Whether nothing can be said, for the `reason` given."""
        return bool(self.reason)

    @property
    def rose(self) -> bool:
        """Whether the weighted loss rose, or stopped being finite."""
        return self.reason.startswith(("the weighted loss rose", "the training diverged"))

    @property
    def fell(self) -> bool:
        """Whether the weighted loss fell clearly, or too little was measured to say."""
        return not (self.rose or self.reason.startswith("the weighted loss hardly fell"))

    @property
    def sentence(self) -> str:
        """The verdict as one sentence that a person can quote."""
        if self.undetermined:
            return f"Undetermined: {self.reason}."
        text = f"{self.driver} drove training" if self.driver else "No single term drove training"
        if self.together:
            text += f": {listed(self.together)} did together, {self._none_more}"
        text += f" (share of the loss decrease: {percentages(self.decrease)})"
        lost = [name for name, word in self.words.items() if word == "sacrificed"]
        if lost:
            text += f"; {listed(lost)} got worse"
        if self.late_driver != self.driver:
            text += f"; the second half of the decrease was {_driven(self.late_driver)}"
        return f"{text}."

    @property
    def _none_more(self) -> str:
        return f"{'neither' if len(self.together) == 2 else 'none of them'} clearly more"

    @property
    def paragraph(self) -> str:
        """The sentence with what stands behind it, and what to doubt."""
        sentences = [self.sentence]
        if MODEL in self.words:
            sentences.append(
                f"Here {MODEL} stands for the losses that the model adds by itself: regularisers, "
                f"and what its layers give to add_loss."
            )
        if not self.undetermined:
            sentences += [
                f"Over the second half of the decrease: {percentages(self.late)}.",
                *self._on_baseline(),
                *self._on_size(),
                *self._on_gradients(),
            ]
        return " ".join([*sentences, *self.warnings])

    def _on_baseline(self) -> list[str]:
        known = {name: part for name, part in (self.baseline or {}).items() if math.isfinite(part)}
        if not known:
            return []
        return [f"From a constant prediction, the mean of the targets, on: {percentages(known)}."]

    def _on_size(self) -> list[str]:
        """Where the size of a term misleads about what it did, or has no part to tell."""
        if any(value < 0 for value in self.weighted.values()):
            sizes = ", ".join(f"{name} {value:.3g}" for name, value in self.weighted.items())
            return [f"Terms of the weighted loss at the end: {sizes}; a negative one has no share."]
        if not all(map(math.isfinite, self.share.values())):
            return []
        gaps = {name: abs(self.share[name] - self.decrease[name]) for name in self.share}
        name = max(gaps, key=lambda term: gaps[term])
        if not gaps[name] > MISLEADING:
            return []
        return [
            f"Size misleads: {name} is {percent(self.share[name])} of the weighted loss at the "
            f"end, and supplied {percent(self.decrease[name])} of its decrease."
        ]

    def _on_gradients(self) -> list[str]:
        opposed = {pair: c for pair, c in self.cosines.items() if c < OPPOSED_BELOW}
        if not opposed:
            return []
        pair = min(opposed, key=lambda key: opposed[key])
        return [
            f"The gradients of {' and '.join(pair.split('/'))} pull against each other "
            f"(cosine {opposed[pair]:.2f})."
        ]

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values, in a format with a version; NaN becomes ``None``."""
        tables = (
            "decrease", "late", "share", "weighted", "noise", "baseline", "contribution", "cosines",
        )  # fmt: skip
        return {
            "format": FORMAT,
            "version": VERSION,
            "driver": self.driver,
            "late_driver": self.late_driver,
            "together": list(self.together),
            "words": dict(self.words),
            **{name: plain(getattr(self, name)) for name in tables},
            "conflict": finite(self.conflict),
            "warnings": list(self.warnings),
            "reason": self.reason,
            "sentence": self.sentence,
            "paragraph": self.paragraph,
        }


def _driven(driver: str | None) -> str:
    return f"driven by {driver}" if driver else "driven by no single term"


def percentages(table: Mapping[str, float]) -> str:
    """A table of parts as text.

    >>> percentages({"mse": 1.042, "under": -0.042})
    'mse 104%, under -4%'
    """
    return ", ".join(f"{name} {percent(part)}" for name, part in table.items())


def _shown(part: float | None) -> str:
    return "" if part is None or math.isnan(part) else percent(part)


def percent(part: float) -> str:
    """A part of 1 as whole percent, without a sign before a zero."""
    text = f"{part:.0%}"
    return "0%" if text == "-0%" else text


def listed(items: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def finite(number: float | None) -> float | None:
    """The number, or ``None`` for one that JSON cannot hold."""
    return None if number is None or not math.isfinite(number) else float(number)


def plain(table: Mapping[str, float] | None) -> dict[str, float | None] | None:
    """A table of numbers as JSON values."""
    return None if table is None else {name: finite(value) for name, value in table.items()}
