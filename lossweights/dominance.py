"""Which term dominates: shares, decrease shares and a verdict, from recorded magnitudes.

The measure is the *decrease share*. Along any training path the weighted loss falls by the sum of
what its terms fall, so

    D_i = w_i (L_i(start) - L_i(end)) / sum_j w_j (L_j(start) - L_j(end))

says which part of the fall term i supplied. It is the path integral of the term's signed gradient
contribution, sums to one, does not change when all weights are multiplied or a constant is added
to a term, and is negative for a term that got worse. The idea follows Lan et al., "LCA: Loss Change
Allocation for Neural Network Training" (NeurIPS 2019), which shares the same integral out over
parameters instead of terms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossweights.records import Outcome, TrialResult

DROVE_ABOVE = 0.5  # more than all other terms together
INERT_BELOW = 0.02  # a part of the decrease too small to speak of
MINIMUM_DECREASE = 0.01  # of the weighted magnitudes at the start; less is not training
NOISE_EPOCHS = 4  # the last reports, over which the noise of the weighted loss is taken

Floats = NDArray[np.float64]


def shares(weights: ArrayLike, magnitudes: ArrayLike) -> Floats:
    """The part of each term in the weighted loss: ``w_i L_i / sum_j w_j L_j``.

    What people expect to see, and misleading: it moves when a constant is added to a term and
    counts noise that no model can remove. Terms may be negative; where the total is 0, so is all.

    Args:
        weights: Shape ``(terms,)``.
        magnitudes: Unweighted means, shape ``(..., terms)``.

    >>> shares([1.0, 2.0], [3.0, 0.5]).tolist()
    [0.75, 0.25]
    """
    weighted = np.asarray(weights, dtype=np.float64) * np.asarray(magnitudes, dtype=np.float64)
    total = weighted.sum(axis=-1, keepdims=True)
    return np.divide(weighted, total, out=np.zeros_like(weighted), where=total != 0)


def decrease_shares(weights: ArrayLike, start: ArrayLike, end: ArrayLike) -> Floats:
    """The part of each term in the decrease of the weighted loss, shape ``(terms,)``.

    NaN for all terms if the weighted loss is the same at both ends.

    >>> decrease_shares([1.0, 4.0], [4.0, 0.5], [1.0, 0.25]).tolist()
    [0.75, 0.25]
    """
    fall = np.asarray(weights, dtype=np.float64) * (
        np.asarray(start, dtype=np.float64) - np.asarray(end, dtype=np.float64)
    )
    total = fall.sum()
    return fall / total if total != 0 else np.full_like(fall, np.nan)


@dataclass(frozen=True)
class Verdict:
    """Which term drove one training, and in which words.

    Attributes:
        driver: The term that supplied more than half of the decrease, or ``None``.
        words: ``"drove"``, ``"balanced"``, ``"inert"`` or ``"sacrificed"`` for each term;
            ``"undetermined"`` for all if the weighted loss hardly fell.
        decrease: Decrease share of each term over the whole run.
        late: The same over the second half of the decrease, where the easy part is done.
        share: Part of each term in the weighted loss at the end.
        sentence: All this for a person.
    """

    driver: str | None
    words: Mapping[str, str]
    decrease: Mapping[str, float]
    late: Mapping[str, float]
    share: Mapping[str, float]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values; undefined shares become ``None``."""
        tables = {"decrease": self.decrease, "late": self.late, "share": self.share}
        return {
            "driver": self.driver,
            "words": dict(self.words),
            **{
                name: {k: v if np.isfinite(v) else None for k, v in table.items()}
                for name, table in tables.items()
            },
            "sentence": self.sentence,
        }


def judge(weights: Mapping[str, float], magnitudes: ArrayLike) -> Verdict:
    """The verdict on one training, from its magnitudes epoch by epoch.

    A term *drove* training if it supplied more than half of the decrease of the weighted loss; it
    was *sacrificed* if it got worse, *inert* if it supplied less than 2 %, *balanced* otherwise.
    If the weighted loss fell by less than 1 % of the weighted magnitudes at the start, or by less
    than twice its own noise, the verdict is *undetermined*.

    Args:
        weights: Effective weight of each term.
        magnitudes: Unweighted magnitudes on a fixed set, shape ``(reports, terms)``, the first
            row from before training. Rows with numbers that are not finite are left out.

    >>> judge({"mse": 1.0, "under": 1.0}, [[10.0, 2.0], [2.0, 1.0]]).driver
    'mse'
    """
    names = list(weights)
    w = np.array([weights[name] for name in names], dtype=np.float64)
    rows = np.asarray(magnitudes, dtype=np.float64).reshape(-1, len(names))
    rows = rows[np.all(np.isfinite(rows), axis=1)]
    if len(rows) < 2:
        return _undetermined(names, "there were fewer than two finite measurements")
    share = shares(w, rows[-1])
    total = rows @ w
    decrease = total[0] - total[-1]
    noise = float(np.std(total[-NOISE_EPOCHS:])) if len(total) > NOISE_EPOCHS else 0.0
    threshold = max(MINIMUM_DECREASE * float(np.abs(rows[0]) @ w), 2.0 * noise)
    if not decrease > threshold:
        return _undetermined(names, "the weighted loss hardly fell", share)
    whole = decrease_shares(w, rows[0], rows[-1])
    half = int(np.argmax(total <= total[0] - decrease / 2))
    late = decrease_shares(w, rows[half], rows[-1])
    words = {name: _word(part) for name, part in zip(names, whole, strict=True)}
    driver = next((name for name, word in words.items() if word == "drove"), None)
    return Verdict(
        driver=driver,
        words=words,
        decrease=dict(zip(names, whole.tolist(), strict=True)),
        late=dict(zip(names, late.tolist(), strict=True)),
        share=dict(zip(names, share.tolist(), strict=True)),
        sentence=_sentence(driver, words, dict(zip(names, whole.tolist(), strict=True))),
    )


def _word(part: float) -> str:
    if part > DROVE_ABOVE:
        return "drove"
    if abs(part) < INERT_BELOW:
        return "inert"
    return "sacrificed" if part < 0 else "balanced"


def _undetermined(names: Sequence[str], why: str, share: Floats | None = None) -> Verdict:
    undefined = dict.fromkeys(names, float("nan"))
    known = undefined if share is None else dict(zip(names, share.tolist(), strict=True))
    return Verdict(
        driver=None,
        words=dict.fromkeys(names, "undetermined"),
        decrease=undefined,
        late=undefined,
        share=known,
        sentence=f"Undetermined: {why}.",
    )


def _sentence(driver: str | None, words: Mapping[str, str], decrease: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {decrease[name]:.0%}" for name in words)
    opening = f"{driver} drove training" if driver else "No single term drove training"
    lost = [name for name, word in words.items() if word == "sacrificed"]
    closing = f"; {_listed(lost)} got worse" if lost else ""
    return f"{opening} (share of the loss decrease: {parts}){closing}."


def judge_sweep(verdicts: Mapping[int, Verdict], best: int | None = None) -> str:
    """One sentence over many trials: which term drove how many, and which one the best.

    Args:
        verdicts: Verdict of each judged trial by its number.
        best: Number of the trial that the sweep would pick.

    >>> one = judge({"mse": 1.0, "under": 1.0}, [[10.0, 2.0], [2.0, 1.0]])
    >>> judge_sweep({0: one}, best=0)
    'mse drove training in 1 of 1 trials; in the best trial (0) it was mse (89% of the decrease).'
    """
    if not verdicts:
        return "No trial was trained far enough to judge."
    drivers = Counter(v.driver for v in verdicts.values() if v.driver is not None)
    unknown = sum("undetermined" in v.words.values() for v in verdicts.values())
    shared = len(verdicts) - sum(drivers.values()) - unknown
    counts = [(f"{name} drove training", n) for name, n in drivers.most_common()]
    counts += [("no single term drove it", shared)] if shared else []
    counts += [("undetermined", unknown)] if unknown else []
    (first, n), *others = counts
    text = ", ".join(
        [f"{first} in {n} of {len(verdicts)} trials"]
        + [f"{what.removesuffix(' drove training')} in {n}" for what, n in others]
    )
    if best is None or best not in verdicts:
        return f"{text}."
    verdict = verdicts[best]
    if verdict.driver is not None:
        part = f"{verdict.driver} ({verdict.decrease[verdict.driver]:.0%} of the decrease)"
    elif "undetermined" in verdict.words.values():
        part = "undetermined"
    else:
        part = "no single term"
    return f"{text}; in the best trial ({best}) it was {part}."


def judge_results(results: Mapping[int, TrialResult]) -> dict[int, Verdict]:
    """The verdict of each trial that trained to some end, on its training magnitudes."""
    judged = (Outcome.COMPLETE, Outcome.PRUNED)
    return {
        number: judge(result.weights, result.magnitudes("train"))
        for number, result in results.items()
        if result.outcome in judged
    }


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
