"""Which term drove one training: the rules, on recorded numbers.

The measure is the *decrease share*. Along any training path the weighted loss falls by the sum of
what its terms fall, so

    D_i = w_i (L_i(start) - L_i(end)) / sum_j w_j (L_j(start) - L_j(end))

says which part of the fall term i supplied. If nothing but the trained parameters moves the terms,
it is the path integral of the term's signed gradient contribution. It sums to one, does not change
when all weights are multiplied or a constant is added to a term, and is negative for a term that
got worse. It says what drove the training, not what would happen under other weights: that takes
other trainings, see `lossweights.dominance.sweep_verdict`.

The words, for each term:

- *undetermined*, for all terms: fewer than two finite reports, or the last one is not finite: the
  training diverged; or the weighted loss rose, or fell by less than 1 % of the weighted magnitudes
  at the start, or by less than twice its own noise;
- *drove*: it supplied clearly more of the decrease than all other falling terms together (so
  D > 1/2). Clearly: the lead is more than 10 % of what all of them took off, and more than its own
  noise makes of nothing in 1 of 20 trainings. Where none did, the terms that are not clearly behind
  the first one are named together, if together they clearly did;
- *inert*: its part is below 2 %, over the whole run and over the second half of the decrease; or
  it got worse by less than twice its own noise;
- *sacrificed*: it got worse (D < 0), by more than that;
- *balanced*: everything else, a part that is neither the main one nor nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from lossweights.base.names import MODEL
from lossweights.dominance import gram as grams_of
from lossweights.dominance._lead import driver_of, leader, together
from lossweights.dominance.shares import (
    Floats,
    as_fractions,
    conflict_of,
    decrease_shares,
    decreases,
    noise,
    second_half,
    shares,
    told,
    weighted,
)
from lossweights.dominance.verdict import Verdict, listed, percent
from lossweights.records import Outcome, TrialResult

log = logging.getLogger("lossweights")

INERT_BELOW = 0.02  # a part of the decrease too small to speak of
MINIMUM_DECREASE = 0.01  # of the weighted magnitudes at the start; less is not training
NOISE_FACTOR = 2.0  # standard deviations that a number must exceed to count
UNCALIBRATED = 0.1  # of the spread of the output's gradient; more is not noise of the last steps


def judge(
    weights: Mapping[str, ArrayLike],
    magnitudes: ArrayLike,
    *,
    baseline: Mapping[str, float] | None = None,
    grams: Sequence[ArrayLike | None] = (),
    calibration: float | None = None,
) -> Verdict:
    """The verdict on one training, from its magnitudes epoch by epoch.

    Args:
        weights: Effective weight of each term, and 1 for the model's own losses, under the name
            ``model``, if it has any; or, if they moved, of shape ``(reports,)`` for each
            term: the weight in force up to each report.
        magnitudes: Unweighted magnitudes on a fixed set, shape ``(reports, terms)``, the first
            row from before training. Rows with numbers that are not finite are left out.
        baseline: Unweighted magnitude of each term for a constant prediction, the mean of the
            targets. What the model adds by itself is not compared with it.
        grams: For each report the Gram matrix of the terms' unweighted gradients, shape
            ``(terms, terms)``, or ``None`` where it was not measured.
        calibration: How far the model's output offset is from its optimum at the end, 0 to 1; see
            `lossweights.watch.gradients.calibration_residual`.

    >>> judge({"mse": 1.0, "under": 1.0}, [[10.0, 2.0], [2.0, 1.0]]).driver
    'mse'
    >>> print(judge({"mse": 1.0, "under": 1.0}, [[10.0, 1.0], [1.0, 2.0]]))
    mse drove training (share of the loss decrease: mse 112%, under -12%); under got worse.
    """
    names = list(weights)
    rows = np.asarray(magnitudes, dtype=np.float64).reshape(-1, len(names))
    w = np.stack([np.broadcast_to(np.asarray(v, float), len(rows)) for v in weights.values()], 1)
    rows = told(w, rows)
    usable = np.all(np.isfinite(rows), axis=1)
    if usable.any() and not usable[-1]:
        return _undetermined(names, _how_it_diverged(names, rows))
    contribution, cosines = _gradients(names, w, grams, usable)
    rows, w = rows[usable], w[usable]
    if len(rows) < 2:
        return _undetermined(names, "there were fewer than two finite measurements")
    share = shares(w[-1], rows[-1])
    steps = decreases(w, rows)
    whole, decrease = steps.sum(axis=0), float(steps.sum())
    last = w[-1] * rows  # at fixed weights, so that a moved weight is no noise
    least = max(
        MINIMUM_DECREASE * float(np.abs(rows[0]) @ w[0]),
        NOISE_FACTOR * float(noise(last.sum(axis=1))),
    )
    if not decrease > least:
        why = "the weighted loss hardly fell"
        if -decrease > least:
            why = _how_it_rose(names, -whole, w, rows)
        return _undetermined(names, why, share)
    jumps = noise(last) / decrease
    half = second_half(steps)
    late = as_fractions(half)
    first, later = driver_of(whole, last), driver_of(half, last)
    tied = () if first is not None else together(whole, last)
    start = None if baseline is None else _constant(names, baseline)
    return Verdict(
        driver=None if first is None else names[first],
        words=dict(zip(names, _words(first, whole / decrease, late, jumps), strict=True)),
        decrease=_table(names, whole / decrease),
        late=_table(names, late),
        late_driver=None if later is None else names[later],
        together=tuple(names[i] for i in tied),
        share=_table(names, share),
        weighted=_table(names, last[-1]),
        noise=_table(names, jumps),
        conflict=conflict_of(whole),
        baseline=None if start is None else _table(names, _from_baseline(w[-1], start, rows[-1])),
        contribution=contribution,
        cosines=cosines,
        warnings=_warnings(w[-1], start, rows[-1], calibration),
    )


def _how_it_diverged(names: Sequence[str], rows: Floats) -> str:
    """Which terms went first, and when, of a training that ended in numbers that are none."""
    finite = np.isfinite(rows)
    first = int(np.flatnonzero(finite.all(axis=1))[-1]) + 1
    gone = [name for name, ok in zip(names, finite[first], strict=True) if not ok]
    were = "was" if len(gone) == 1 else "were"
    return f"the training diverged: {listed(gone)} {were} not finite from measurement {first} on"


def _how_it_rose(names: Sequence[str], risen: Floats, w: Floats, rows: Floats) -> str:
    most = names[int(np.argmax(risen))]
    if np.ptp(w[1:], axis=0).any():  # its ends were weighed differently, and may say the contrary
        total = float(risen.sum())
        return f"the weighted loss rose by {total:.3g} at the weights in force, {most} by most"
    start, end = float(w[-1] @ rows[0]), float(w[-1] @ rows[-1])
    return f"the weighted loss rose from {start:.3g} to {end:.3g}, {most} by most"


def _words(first: int | None, whole: Floats, late: Floats, jumps: Floats) -> list[str]:
    words = []
    for i, (part, after, jump) in enumerate(zip(whole, late, jumps, strict=True)):
        small = abs(part) < INERT_BELOW and abs(after) < INERT_BELOW
        if i == first:
            words.append("drove")
        elif small or -NOISE_FACTOR * jump < part < 0:
            words.append("inert")
        else:
            words.append("sacrificed" if part < 0 else "balanced")
    return words


def _constant(names: Sequence[str], baseline: Mapping[str, float]) -> Floats:
    """What a constant prediction costs each term; NaN for what the model adds itself."""
    return np.array([np.nan if name == MODEL else baseline.get(name, np.nan) for name in names])


def _from_baseline(w: Floats, start: Floats, end: Floats) -> Floats:
    """Decrease shares of the terms from a constant prediction; NaN if the model is hardly better.

    What a constant would cost the model by itself is not known: it has no part in this.
    """
    unknown = np.isnan(start) & (w != 0)
    w = np.where(unknown, 0.0, w)
    least = MINIMUM_DECREASE * float(np.abs(weighted(w, start)).sum())
    if not weighted(w, start - end).sum() > least:
        return np.full(len(w), np.nan)
    return np.where(unknown, np.nan, decrease_shares(w, start, end))


def _gradients(
    names: Sequence[str], w: Floats, grams: Sequence[ArrayLike | None], usable: Sequence[bool]
) -> tuple[dict[str, float] | None, dict[str, float]]:
    """Contributions and cosines over all measurements of gradients, if there are any."""
    pairs = zip(grams, w, usable, strict=False)
    taken = [(np.asarray(gram, float), row) for gram, row, ok in pairs if gram is not None and ok]
    taken = [(g, row) for g, row in taken if np.isfinite(g[np.ix_(row != 0, row != 0)]).all()]
    if not taken:
        return None, {}
    matrices, rows = (np.stack(column) for column in zip(*taken, strict=True))
    angles = grams_of.cosines(matrices.sum(axis=0))
    pulls = (rows != 0).any(axis=0)  # a term that is switched off pulls at nothing
    cosines = {
        f"{a}/{b}": float(angles[i, j])
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i < j and pulls[i] and pulls[j]
    }
    return _table(names, grams_of.contributions(rows, matrices)), cosines


def _warnings(
    w: Floats, start: Floats | None, end: Floats, calibration: float | None
) -> tuple[str, ...]:
    found = []
    if start is not None:
        w = np.where(np.isnan(start), 0.0, w)
        if not weighted(w, end).sum() < weighted(w, start).sum():
            found.append("The terms cost no less than a constant, the mean of the targets, would.")
    if calibration is not None and calibration > UNCALIBRATED:
        found.append(
            f"Perhaps trained too little: shifting all outputs by a constant would still lower the "
            f"loss (residual {percent(calibration)} of the gradient's spread, wanted below "
            f"{percent(UNCALIBRATED)})."
        )
    return tuple(found)


def _table(names: Sequence[str], values: Floats) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _undetermined(names: Sequence[str], why: str, share: Floats | None = None) -> Verdict:
    undefined = dict.fromkeys(names, float("nan"))
    return Verdict(
        driver=None,
        words=dict.fromkeys(names, "undetermined"),
        decrease=undefined,
        late=undefined,
        share=undefined if share is None else _table(names, share),
        reason=why,
    )


def judge_results(
    results: Mapping[int, TrialResult], baseline: Mapping[str, float] | None = None
) -> dict[int, Verdict]:
    """The verdict of each trial that trained to some end, on its training magnitudes.

    Args:
        results: Results by trial number.
        baseline: Unweighted magnitude of each term for the mean of the targets.
    """
    judged = (Outcome.COMPLETE, Outcome.PRUNED)
    return {
        number: _judge_result(number, result, baseline)
        for number, result in results.items()
        if result.outcome in judged
    }


def _judge_result(
    number: int, result: TrialResult, baseline: Mapping[str, float] | None
) -> Verdict:
    """The verdict on one trial; where judging fails, that it could not be judged."""
    try:
        return judge(
            result.in_force(),
            result.magnitudes("train"),
            baseline=baseline,
            grams=[report.gram_matrix(list(result.parts)) for report in result.reports],
            calibration=result.reports[-1].calibration if result.reports else None,
        )
    except Exception as error:  # no trial may hide what the others say
        log.warning("trial %d could not be judged", number, exc_info=True)
        why = f"it could not be judged ({type(error).__name__}: {error})"
        return _undetermined(list(result.parts), why)


def sweep_sentence(verdicts: Mapping[int, Verdict], best: int | None = None) -> str:
    """One sentence over many trials: which term drove how many, and which one the best.

    Args:
        verdicts: Verdict of each judged trial by its number.
        best: Number of the trial that the sweep would pick.

    >>> one = judge({"mse": 1.0, "under": 1.0}, [[10.0, 2.0], [2.0, 1.0]])
    >>> sweep_sentence({0: one}, best=0)
    'mse drove training in 1 of 1 trials; in the best trial (0) it was mse (89% of the decrease).'
    """
    if not verdicts:
        return "No trial was trained far enough to judge."
    drivers = Counter(v.driver for v in verdicts.values() if v.driver is not None)
    unknown = sum(v.undetermined for v in verdicts.values())
    shared = len(verdicts) - sum(drivers.values()) - unknown
    counts = [(f"{name} drove training", n) for name, n in drivers.most_common()]
    none = "no single term drove it" if drivers else "No single term drove training"
    counts += [(none, shared)] if shared else []
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
        part = f"{verdict.driver} ({percent(verdict.decrease[verdict.driver])} of the decrease)"
    elif verdict.undetermined:
        part = "undetermined"
    else:
        part = "no single term"
    return f"{text}; in the best trial ({best}) it was {part}."


__all__ = ["judge", "judge_results", "leader", "sweep_sentence"]
