"""Parts of the weighted loss and of its decrease: arithmetic on recorded magnitudes, no rules.

Everywhere ``terms`` is the last axis, ``reports`` the first: row 0 from before training, then one
row a measurement. Magnitudes are unweighted means on a fixed set of samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-6  # of the total; a term that is negative by less is zero, in float32
NOISE_REPORTS = 5  # the last ones, about whose straight line the noise is taken

Floats = NDArray[np.float64]


def shares(weights: ArrayLike, magnitudes: ArrayLike) -> Floats:
    """The part of each term in the weighted loss: ``w_i L_i / sum_j w_j L_j``.

    What people expect to see, and misleading: it moves when a constant is added to a term and
    counts noise that no model can remove. Only a sum of what is nowhere negative has parts: NaN for
    all terms where one is negative, by more than float32 rounds, or where all are 0.

    Args:
        weights: Shape ``(terms,)``, or ``(..., terms)`` if they moved.
        magnitudes: Unweighted means, shape ``(..., terms)``.

    >>> shares([1.0, 2.0], [3.0, 0.5]).tolist()
    [0.75, 0.25]
    >>> shares([1.0, 1.0], [1.05, -1.0]).tolist()
    [nan, nan]
    """
    sizes = weighted(weights, magnitudes)
    total = sizes.sum(axis=-1, keepdims=True)
    least = sizes.min(axis=-1, keepdims=True)
    is_told = (total > 0) & (least >= -ROUNDING * total)
    parts = np.maximum(sizes, 0.0)
    return np.divide(
        parts, parts.sum(axis=-1, keepdims=True), out=np.full_like(parts, np.nan), where=is_told
    )


def told(weights: ArrayLike, magnitudes: ArrayLike) -> Floats:
    """The magnitudes, with 0 for what is not finite and multiplied by no weight other than 0.

    A term of weight 0 is switched off and may be undefined; it must not make the others so, as 0
    times that would.

    Args:
        weights: Shape ``(reports, terms)``, each row the weights in force up to that report.
        magnitudes: Shape ``(reports, terms)``.

    >>> told([[1.0, 0.0], [1.0, 0.0]], [[3.0, np.nan], [2.0, np.inf]]).tolist()
    [[3.0, 0.0], [2.0, 0.0]]
    """
    w, rows = np.asarray(weights, dtype=np.float64), np.asarray(magnitudes, dtype=np.float64)
    after = np.concatenate([w[1:], w[-1:]])
    off: Floats = np.where((w == 0) & (after == 0) & ~np.isfinite(rows), 0.0, rows)
    return off


def weighted(weights: ArrayLike, magnitudes: ArrayLike) -> Floats:
    """Their product, and 0 for a term of weight 0, also where it is not defined.

    >>> weighted([2.0, 0.0], [3.0, np.nan]).tolist()
    [6.0, 0.0]
    """
    w, values = np.asarray(weights, dtype=np.float64), np.asarray(magnitudes, dtype=np.float64)
    product: Floats = w * np.where(w == 0, 0.0, values)
    return product


def decrease_shares(weights: ArrayLike, start: ArrayLike, end: ArrayLike) -> Floats:
    """The part of each term in the decrease of the weighted loss, shape ``(terms,)``.

    ``D_i = w_i (L_i(start) - L_i(end)) / sum_j w_j (L_j(start) - L_j(end))``: the path integral of
    the term's signed gradient contribution, if nothing but the trained parameters moves the terms.
    After Lan et al., "LCA: Loss Change Allocation for Neural Network Training" (NeurIPS 2019),
    which shares it out over parameters instead of terms. NaN for all terms if the weighted loss is
    the same at both ends.

    >>> decrease_shares([1.0, 4.0], [4.0, 0.5], [1.0, 0.25]).tolist()
    [0.75, 0.25]
    """
    fall = np.asarray(start, dtype=np.float64) - np.asarray(end, dtype=np.float64)
    return as_fractions(weighted(weights, fall))


def decreases(weights: ArrayLike, magnitudes: ArrayLike) -> Floats:
    """What each term took off the weighted loss from report to report: ``(reports - 1, terms)``.

    Args:
        weights: Shape ``(terms,)``; or ``(reports, terms)`` if they moved, each row the weights in
            force up to that report (so that row 0 is never used).
        magnitudes: Shape ``(reports, terms)``.

    >>> decreases([1.0, 4.0], [[4.0, 0.5], [3.0, 0.5], [1.0, 0.25]]).tolist()
    [[1.0, 0.0], [2.0, 1.0]]
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim > 1:
        w = w[1:]
    rows = np.asarray(magnitudes, dtype=np.float64)
    return weighted(w, rows[:-1] - rows[1:])


def second_half(fallen: ArrayLike) -> Floats:
    """What each term took off during the second half of the decrease, shape ``(terms,)``.

    From the moment that half of the whole decrease was reached for the first time, found on the
    straight line between two reports, to the end. It is half of the decrease exactly, so that its
    parts never rest on a difference of almost nothing. NaN if there was no decrease.

    Args:
        fallen: What each term took off from report to report, from `decreases`.

    >>> second_half([[8.0, 0.0], [1.0, 1.0]]).tolist()
    [4.0, 1.0]
    """
    steps = np.asarray(fallen, dtype=np.float64)
    reached = np.concatenate([[0.0], np.cumsum(steps.sum(axis=1))])
    half = reached[-1] / 2
    if not half > 0:
        return np.full(steps.shape[1], np.nan)
    after = int(np.argmax(reached >= half))  # at least 1, since reached[0] is 0
    used = (half - reached[after - 1]) / (reached[after] - reached[after - 1])
    rest: Floats = (1.0 - used) * steps[after - 1] + steps[after:].sum(axis=0)
    return rest


def as_fractions(fall: ArrayLike) -> Floats:
    """Each number over the sum of all; NaN if the sum is 0.

    >>> as_fractions([3.0, -1.0]).tolist()
    [1.5, -0.5]
    """
    numbers = np.asarray(fall, dtype=np.float64)
    total = numbers.sum()
    return numbers / total if total != 0 else np.full_like(numbers, np.nan)


def conflict_of(fall: ArrayLike) -> float:
    """How much of what some terms gained the others lost: 0 without conflict, 1 if all of it.

    >>> conflict_of([4.0, 1.0, -2.0])
    0.4
    """
    numbers = np.asarray(fall, dtype=np.float64)
    gained = np.maximum(numbers, 0).sum()
    return float(np.maximum(-numbers, 0).sum() / gained) if gained > 0 else float("nan")


def noise(weighted: ArrayLike) -> Floats:
    """How much the last reports jump: standard deviation about their own straight line.

    Of the last five reports, the one from before training excepted; 0 with fewer than five, which
    say nothing of noise.

    Args:
        weighted: Weighted magnitudes, shape ``(reports, ...)``.

    >>> noise([9.0, 5.0, 4.0, 3.0, 2.0, 1.0]).round(9).item()
    0.0
    """
    rows = np.asarray(weighted, dtype=np.float64)
    if len(rows) <= NOISE_REPORTS:
        return np.zeros(rows.shape[1:])
    last = rows[-NOISE_REPORTS:].reshape(NOISE_REPORTS, -1)
    time = np.arange(NOISE_REPORTS) - (NOISE_REPORTS - 1) / 2
    residual = last - last.mean(axis=0)
    residual -= np.outer(time, time @ residual / (time @ time))
    deviation: Floats = np.sqrt((residual**2).sum(axis=0) / (NOISE_REPORTS - 2))
    return deviation.reshape(rows.shape[1:])
