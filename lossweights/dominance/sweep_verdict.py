"""The verdict on a sweep: which term drove how many trials, where that changes, what matters.

A single training says what drove it; only several trainings under different weights say what the
weights do. Here they are compared: the ratio at which one term overtakes another, the weight below
which a term is inert, and which weight moves which metric.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossweights.base.names import MODEL
from lossweights.base.sampled import Value
from lossweights.base.shown import in_angles
from lossweights.dominance._flips import Flip, find_flip
from lossweights.dominance._sensitivity import Sensitivity, sensitivities, spearman, subject
from lossweights.dominance.judge import judge_results, sweep_sentence
from lossweights.dominance.verdict import Verdict, finite, listed
from lossweights.records import Outcome, TrialResult

log = logging.getLogger("lossweights")

T = TypeVar("T")

FORMAT = "lossweights/sweep-verdict"
VERSION = 1

INERT_TRIALS = 3  # below the threshold, all of them inert; fewer could be chance
MATTERS = 0.3  # a rank correlation that is worth a sentence, if it is no chance
NO_CHANCE = 0.01  # the p-value that makes it none


@dataclass(frozen=True, kw_only=True, repr=False)
class SweepVerdict:
    """Which term drove how many trials, and what the weights change; printing gives the sentence.

    Attributes:
        sentence: The verdict for a person to quote.
        judged: How many trials were judged.
        drivers: How many trials each term drove.
        sacrificed: In how many trials each term got worse.
        balanced: How many trials no single term drove.
        undetermined: How many trials could not be told.
        best: Number of the trial that the sweep would pick, if any.
        flips: For each pair of terms, where in the ratio of their weights the lead changes.
        inert_below: The weight up to which a term never took part, for terms that have one.
        never: Terms that took no part in any trial.
        sensitivity: For each metric and term, how the metric follows the weight; likewise what else
            was chosen, such as ``hyper/learning_rate``.
        failed: What could not be found out, by its name, and why.
    """

    sentence: str
    judged: int
    drivers: Mapping[str, int]
    sacrificed: Mapping[str, int]
    balanced: int
    undetermined: int
    best: int | None = None
    flips: tuple[Flip, ...] = ()
    inert_below: Mapping[str, float] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    sensitivity: Mapping[str, Mapping[str, Sensitivity]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def unknown(cls, error: Exception) -> SweepVerdict:
        """The verdict where drawing one failed.

        >>> print(SweepVerdict.unknown(ValueError("no trials")))
        Undetermined: the verdict could not be drawn (ValueError: no trials).
        """
        why = _shown(error)
        return cls(
            sentence=f"Undetermined: the verdict could not be drawn ({why}).",
            judged=0,
            drivers={},
            sacrificed={},
            balanced=0,
            undetermined=0,
            failed={"verdict": why},
        )

    def __str__(self) -> str:
        return self.sentence

    __repr__ = in_angles

    @property
    def paragraph(self) -> str:
        """The sentence, then the details."""
        return " ".join([self.sentence, *self.details])

    @property
    def details(self) -> list[str]:
        """Flips, sacrifices, inert terms and what moves the metrics, a sentence each."""
        found = [flip.sentence for flip in self.flips if flip.kind != "unclear"]
        found += [
            f"{name} got worse in {n} of {self.judged} trials."
            for name, n in self.sacrificed.items()
            if n
        ]
        found += [
            f"{name} is inert below a weight of {_rounded_down(weight)}."
            for name, weight in self.inert_below.items()
        ]
        if self.never:
            found.append(f"{listed(self.never)} took part in no trial.")
        found += [s for name in self.sensitivity if (s := self._on_metric(name))]
        found += [
            f"The {what} could not be drawn ({why})."
            for what, why in self.failed.items()
            if what != "verdict"  # which the sentence says
        ]
        return found

    def _on_metric(self, metric: str) -> str:
        """The weights that a metric follows most clearly, in words."""
        moved = {
            name: s
            for name, s in self.sensitivity[metric].items()
            if abs(s.spearman) >= MATTERS and s.p_value < NO_CHANCE
        }
        if not moved:
            return ""
        ways = [
            f"{'up' if moved[name].spearman > 0 else 'down'} with {subject(name)} "
            f"({moved[name].sentence})"
            for name in sorted(moved, key=lambda term: -abs(moved[term].spearman))
        ]
        return f"{metric} goes {listed(ways)}."

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values, in a format with a version; NaN becomes ``None``."""
        counts = ("judged", "balanced", "undetermined", "best")
        return {
            "format": FORMAT,
            "version": VERSION,
            "sentence": self.sentence,
            "paragraph": self.paragraph,
            **{name: getattr(self, name) for name in counts},
            "drivers": dict(self.drivers),
            "sacrificed": dict(self.sacrificed),
            "flips": [flip.to_json() for flip in self.flips],
            "inert_below": dict(self.inert_below),
            "never": list(self.never),
            "sensitivity": {
                metric: {
                    term: {
                        "spearman": finite(s.spearman),
                        "p_value": finite(s.p_value),
                        "importance": finite(s.importance),
                    }
                    for term, s in table.items()
                }
                for metric, table in self.sensitivity.items()
            },
            **({"failed": dict(self.failed)} if self.failed else {}),
        }


def judge_sweep(
    verdicts: Mapping[int, Verdict],
    weights: Mapping[int, Mapping[str, float]],
    metrics: Mapping[int, Mapping[str, float]],
    *,
    best: int | None = None,
    importance: Mapping[str, Mapping[str, float]] | None = None,
    by_seed: Mapping[int, Sequence[Mapping[str, float]]] | None = None,
    relative: bool = False,
    chosen: Mapping[int, Mapping[str, Value]] | None = None,
) -> SweepVerdict:
    """The verdict on a sweep from the verdicts on its trials.

    Args:
        verdicts: Verdict of each judged trial by its number.
        weights: Weight of each term in each trial, as people think of it: relative to the
            reference scales where there are any. At least the judged trials.
        metrics: Weight-independent metrics of the completed trials.
        best: Number of the trial that the sweep would pick.
        importance: For each metric, the importance of each term's weight, from Optuna.
        by_seed: For trials that were trained from several seeds, what each term took off the
            weighted loss in each of them.
        relative: Whether the weights are relative to reference scales.
        chosen: What each trial chose beside the weights.
    """
    parts = list(dict.fromkeys(name for v in verdicts.values() for name in v.words))
    names = [name for name in parts if name != MODEL]  # its own losses have no weight to choose
    told = {number: v for number, v in verdicts.items() if not v.undetermined}
    table = np.array([[weights[n][name] for name in names] for n in told])
    decrease = _decreases(names, told, by_seed or {})
    words = Counter((name, word) for v in told.values() for name, word in v.words.items())
    inert = {name: _inert_up_to(name, told, weights) for name in names}
    failed: dict[str, str] = {}

    def flip(pair: tuple[int, int]) -> Flip:
        w, d = table[:, pair], decrease[..., pair]
        first, second = (names[i] for i in pair)
        of = sum(of_trial[first] > 0 and of_trial[second] > 0 for of_trial in weights.values())
        return find_flip(first, second, w, d, relative=relative, of=of)

    pairs = combinations(range(len(names)), 2) if told else ()
    flips = _drawn(failed, "flips", lambda: tuple(map(flip, pairs)))
    sensitivity = _drawn(
        failed,
        "sensitivity",
        lambda: sensitivities(weights, metrics, importance or {}, chosen or {}),
    )
    driven = Counter(v.driver for v in told.values() if v.driver is not None)
    return SweepVerdict(
        sentence=sweep_sentence(verdicts, best),
        judged=len(verdicts),
        drivers={name: driven[name] for name in parts},
        sacrificed={name: words[name, "sacrificed"] for name in parts},
        balanced=len(told) - sum(driven.values()),
        undetermined=len(verdicts) - len(told),
        best=best,
        flips=flips or (),
        inert_below={name: weight for name, weight in inert.items() if weight is not None},
        never=tuple(name for name in names if told and words[name, "inert"] == len(told)),
        sensitivity=sensitivity or {},
        failed=failed,
    )


def _decreases(
    names: Sequence[str],
    told: Mapping[int, Verdict],
    by_seed: Mapping[int, Sequence[Mapping[str, float]]],
) -> NDArray[np.float64]:
    """The decrease by trial, seed and term, if all have as many seeds; else by trial and term."""
    seeds = {len(by_seed.get(number, ())) for number in told}
    if len(seeds) == 1 and min(seeds) > 1:
        return np.array([[[fall[n] for n in names] for fall in by_seed[t]] for t in told])
    return np.array([[v.decrease[name] for name in names] for v in told.values()])


def _drawn(failed: dict[str, str], what: str, draw: Callable[[], T]) -> T | None:
    """What was drawn, or ``None``: what fails costs that conclusion alone, and is named."""
    try:
        return draw()
    except Exception as error:
        log.warning("the %s of the sweep could not be drawn", what, exc_info=True)
        failed[what] = _shown(error)
        return None


def _shown(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")


def judge_sweep_results(
    results: Mapping[int, TrialResult],
    *,
    scales: Mapping[str, float] | None = None,
    baseline: Mapping[str, float] | None = None,
    best: int | None = None,
    importance: Mapping[str, Mapping[str, float]] | None = None,
) -> SweepVerdict:
    """The verdict on a sweep from the results of its trials.

    Args:
        results: Results by trial number.
        scales: What the sampled weights were divided by; ``None`` if they were used as sampled.
        baseline: Unweighted magnitude of each term for the mean of the targets.
        best: Number of the trial that the sweep would pick.
        importance: For each metric, the importance of each term's weight, from Optuna.
    """
    relative = {
        number: {name: w * (scales or {}).get(name, 1.0) for name, w in result.weights.items()}
        for number, result in results.items()
    }
    complete = {n: r.metrics for n, r in results.items() if r.outcome is Outcome.COMPLETE}
    by_seed = {
        number: [{n: w * one.fall[n] for n, w in result.weights.items()} for one in result.replicas]
        for number, result in results.items()
        if not result.weights_moved
        and all(set(result.weights) <= set(one.fall) for one in result.replicas)
    }
    verdict = judge_sweep(
        judge_results(results, baseline),
        relative,
        complete,
        best=best,
        importance=importance,
        by_seed=by_seed,
        relative=scales is not None,
        chosen={number: result.chosen for number, result in results.items()},
    )
    diverged = sum(result.outcome is Outcome.DIVERGED for result in results.values())
    if verdict.judged or not diverged:
        return verdict
    said = f"{diverged} of {len(results)} trials diverged, and no other trained to its end."
    return replace(verdict, sentence=said)


def _rounded_down(number: float) -> str:
    """Three digits, not more than the number: what holds up to it holds up to those."""
    scale = 10.0 ** (math.floor(math.log10(number)) - 2) if number > 0 else 1.0
    return f"{math.floor(number / scale * (1 + 1e-12)) * scale:.3g}"


def _inert_up_to(
    name: str, told: Mapping[int, Verdict], weights: Mapping[int, Mapping[str, float]]
) -> float | None:
    """The largest weight such that the term was inert in every trial up to it, if any were."""
    trials = sorted((weights[number][name], v.words[name] == "inert") for number, v in told.items())
    active = [weight for weight, inert in trials if not inert]
    if not active:
        return None  # inert at any weight: told as such
    below = [weight for weight, _ in trials if weight < active[0]]
    return below[-1] if len(below) >= INERT_TRIALS else None


__all__ = [
    "Flip",
    "Sensitivity",
    "SweepVerdict",
    "judge_sweep",
    "judge_sweep_results",
    "spearman",
]
