"""``lossweights reproduce``: a pick trained anew, and what is the same and what is not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from lossweights.base.autologging import autologging_off
from lossweights.base.errors import SweepFailed
from lossweights.base.versions import versions
from lossweights.foreign.generated_files import own_temporary_folder
from lossweights.loss.weight_set import WeightSet
from lossweights.records import Outcome, TrialResult
from lossweights.results.result import SweepResult
from lossweights.sweep._declaration import Declaration
from lossweights.training import Member, TrainingSetup

RELATIVE, ABSOLUTE = 1e-5, 1e-8  # float32 rounding, as the saved winner's numbers may differ
DEVIATIONS = 2.0  # that two trainings may be apart by seed alone


class Likeness(Enum):
    """How much alike two trainings are; the value is what a sentence says."""

    EQUAL = "is reproduced bit for bit"
    ROUNDING = "is reproduced to float32 rounding"
    NOISE = "is reproduced within the seed noise that confirmation measured"
    OTHER = "is not reproduced"


class FirstDifference(NamedTuple):
    """Where two trainings part: what was measured, after which epoch, and both numbers."""

    epoch: int
    what: str
    was: float | None
    now: float | None

    def __str__(self) -> str:
        was, now = ("none" if v is None else f"{v:.9g}" for v in (self.was, self.now))
        return f"after epoch {self.epoch}, {self.what}: {now} instead of {was}"


@dataclass(frozen=True)
class Reproduction:
    """What training a pick anew showed.

    Attributes:
        label: What it is, such as ``"knee (trial 12)"``.
        likeness: How much alike the two trainings are.
        metrics: For each metric what it ``was`` and is ``now``, and the ``noise`` of one training
            from seed to seed, if that was measured.
        first: Where the trainings part, or ``None``.
        changed: What is another now: of versions, code, data and recipe.
    """

    label: str
    likeness: Likeness
    metrics: Mapping[str, Mapping[str, float]]
    first: FirstDifference | None = None
    changed: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """All of it as a person reads it."""
        numbers = [
            f"{name} {of['now']:.6g} instead of {of['was']:.6g}"
            + (f" (noise {of['noise']:.2g})" if "noise" in of else "")
            for name, of in self.metrics.items()
            if of["now"] != of["was"]
        ]
        parts = [f"{self.label} {self.likeness.value}."]
        parts += [f"{', '.join(numbers)}."] if numbers else []
        parts += [f"The first difference is {self.first}."] if self.first else []
        parts += [f"Other than then: {', '.join(self.changed)}."] if self.changed else []
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "format": "lossweights/reproduction",
            "version": 1,
            "label": self.label,
            "likeness": self.likeness.name,
            "metrics": {name: dict(of) for name, of in self.metrics.items()},
            "first": None if self.first is None else self.first._asdict(),
            "changed": list(self.changed),
            "sentence": self.sentence,
        }


def reproduce(
    sweep: Declaration, result: SweepResult, pick: str | WeightSet, manifest: Mapping[str, Any]
) -> Reproduction:
    """Train a pick anew as its trial was trained, by the same trainer and from the same seeds.

    Args:
        sweep: The sweep as its script declares it now.
        result: The sweep as it was.
        pick: Which trial, or which baseline; or the set that is promoted.
        manifest: The manifest of the sweep.

    Raises:
        PickError: There is no such pick.
        SweepFailed: The training does not come to its end any more.
        DataError, ModelError: The sweep cannot be loaded any more.
    """
    if isinstance(pick, WeightSet):
        kept, pick = result.kept_of(pick), str(pick.origin["pick"])
    else:
        kept, _ = result.kept(pick)
    before = kept.result
    with autologging_off(), own_temporary_folder():
        prepared = sweep.prepare(rehearse=False)
        trainer = prepared.make_trainer(before.trainer, _at_once(before, manifest))
        member = Member(before.weights, before.seed, chosen=before.chosen)
        # Rounding depends on how many are trained side by side.
        copies = max(trainer.capacity, 1) if before.trainer == "stacked" else 1
        after = trainer.train([member] * copies, lambda *_: True)[0]
    label = pick if kept.trial is None else f"{pick} (trial {kept.trial})"
    if after.outcome is not Outcome.COMPLETE:
        raise SweepFailed(
            f"Expected {label} to train to the end, as it did. Found {after.outcome.name}: "
            f"{after.reason}. See what was changed since: code, data, versions."
        )
    first = next(first_differences(before, after), None)
    noise = {name: result.proof.standard_error(name) for name in before.metrics}
    metrics = {
        name: {"was": was, "now": after.metrics.get(name, math.nan), **_known(noise[name])}
        for name, was in before.metrics.items()
    }
    finite = {n: of for n, of in metrics.items() if all(map(math.isfinite, of.values()))}
    likeness = _likeness({n: of for n, of in metrics.items() if n in result.objectives}, first)
    return Reproduction(label, likeness, finite, first, _changed(prepared.description, manifest))


def first_differences(before: TrialResult, after: TrialResult) -> Iterator[FirstDifference]:
    """What is not the same in the reports of two trainings, in the order of training."""
    for was, now in zip(before.reports, after.reports, strict=False):
        for split, what in (("train", "{} on training data"), ("val", "{} on validation data"),
                            ("metrics", "metric {}")):  # fmt: skip
            old, new = getattr(was, split), getattr(now, split)
            for name in {**old, **new}:
                if not _same(old.get(name), new.get(name)):
                    found = (_finite(old.get(name)), _finite(new.get(name)))
                    yield FirstDifference(was.epoch, what.format(name), *found)
    if len(before.reports) != len(after.reports):
        epochs = (float(len(before.reports) - 1), float(len(after.reports) - 1))
        yield FirstDifference(int(min(epochs)), "the number of epochs", *epochs)


def _likeness(
    objectives: Mapping[str, Mapping[str, float]], first: FirstDifference | None
) -> Likeness:
    if first is None:
        return Likeness.EQUAL
    pairs = [(of["was"], of["now"], of.get("noise")) for of in objectives.values()]
    if all(math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE) for a, b, _ in pairs):
        return Likeness.ROUNDING
    if all(n is not None and abs(a - b) <= DEVIATIONS * n for a, b, n in pairs):
        return Likeness.NOISE
    return Likeness.OTHER


def _at_once(before: TrialResult, manifest: Mapping[str, Any]) -> int | None:
    """How many members were trained at once, as the manifest has it, where the trainer stacks."""
    choice = manifest.get("choice")
    made = TrainingSetup.from_json(choice.get("made")) if isinstance(choice, Mapping) else None
    return made.members if made and before.trainer == made.trainer == "stacked" else None


def _changed(description: Mapping[str, Any], manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What is another than then: parts of the description, and versions with both numbers."""
    now = json.loads(json.dumps(description))
    parts = [key for key, value in now.items() if value != manifest.get(key)]
    then = manifest.get("versions")
    known = dict(then) if isinstance(then, Mapping) else {}
    moved = [f"{k} {known[k]}, now {v}" for k, v in versions().items() if known.get(k, v) != v]
    return (*parts, *moved)


def _known(noise: float | None) -> dict[str, float]:
    return {} if noise is None else {"noise": noise}


def _same(one: float | None, other: float | None) -> bool:
    both_nan = one is not None and other is not None and math.isnan(one) and math.isnan(other)
    return one == other or both_nan


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
