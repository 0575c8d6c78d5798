"""The decrease share against the path integral that it stands for, computed on its own.

Each problem has a few quadratic terms ``L_i = 1/2 (t - c_i)^T A_i (t - c_i) + k_i`` of the same
parameters, trained by gradient flow on their weighted sum. The flow is known in closed form, so
that what term i contributes, ``integral of -w_i g_i . dt/ds ds``, can be found by quadrature of the
gradients, without a single value of a term.
"""

from collections import Counter

import numpy as np
import pytest

from lossweights.dominance.judge import judge

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(12)
PROBLEMS = 200


class Flow:
    """Gradient flow on a random problem of two to five quadratic terms."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        terms, size = int(rng.integers(2, 6)), int(rng.integers(2, 7))
        ranks = rng.integers(1, size + 1, terms)
        roots = [rng.normal(size=(size, rank)) for rank in ranks]
        self.A = np.stack([root @ root.T / root.shape[1] for root in roots])
        self.c = rng.normal(size=(terms, size)) * 10 ** rng.uniform(-1, 1)
        self.k = rng.normal(size=terms) * rng.choice([0.0, 1.0, 10.0], terms)  # below zero, too
        self.w = 10 ** rng.uniform(-2, 2, terms)
        H = np.einsum("i,ijk->jk", self.w, self.A)
        self.rates, self.modes = np.linalg.eigh(H)
        self.rates = np.maximum(self.rates, 0.0)
        self.bottom = np.linalg.pinv(H) @ np.einsum("i,ijk,ik->j", self.w, self.A, self.c)
        self.start = self.modes.T @ (rng.normal(size=size) - self.bottom)
        self.end = 10 ** rng.uniform(-1.5, 1.0) / self.rates.max()  # from stopped early to trained

    def at(self, time):
        """Parameters at some times, and how they move: two arrays ``(times, size)``."""
        decay = np.exp(-np.outer(np.atleast_1d(time), self.rates)) * self.start
        return self.bottom + decay @ self.modes.T, -(decay * self.rates) @ self.modes.T

    def gradients(self, points):
        """Unweighted gradients, ``(times, terms, size)``."""
        return np.einsum("ijk,tik->tij", self.A, points[:, None] - self.c)

    def magnitudes(self, time):
        """Values of the terms, ``(times, terms)``: what training records."""
        away = self.at(time)[0][:, None] - self.c
        return 0.5 * np.einsum("tij,ijk,tik->ti", away, self.A, away) + self.k

    def integral(self, start, end):
        """What each term contributed between two times, by quadrature of gradients alone."""
        edges = np.linspace(np.sqrt(start), np.sqrt(end), 33) ** 2
        middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
        time = (middle[:, None] + half[:, None] * NODES).ravel()
        points, speed = self.at(time)
        pulls = -self.w * np.einsum("tij,tj->ti", self.gradients(points), speed)
        return (half[:, None] * NODE_WEIGHTS).ravel() @ pulls

    def half_time(self):
        """When half of the weighted loss's decrease is done, by bisection of the integral."""
        low, high = 0.0, self.end
        goal = self.integral(0.0, self.end).sum() / 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.integral(0.0, middle).sum() < goal else (low, middle)
        return high


def words_by_rule(whole, late, at_start):
    """The documented words, written a second time, from path integrals."""
    total = whole.sum()
    if total <= 0.01 * at_start:
        return ["undetermined"] * len(whole)
    D, half = whole / total, late / late.sum()
    words = []
    for i in range(len(D)):
        others = sum(max(D[j], 0) for j in range(len(D)) if j != i)
        if D[i] > others + 0.1 * (max(D[i], 0) + others):  # 55 % against 45 %
            words.append("drove")
        elif abs(D[i]) < 0.02 and abs(half[i]) < 0.02:
            words.append("inert")
        else:
            words.append("sacrificed" if D[i] < 0 else "balanced")
    return words


def test_verdicts_agree_with_the_path_integral():
    """On 200 random problems: every part, both windows, every word; and all words occur."""
    seen = Counter()
    for seed in range(PROBLEMS):
        flow = Flow(seed)
        names = [f"term{i}" for i in range(len(flow.w))]
        time = np.linspace(0.0, np.sqrt(flow.end), 400) ** 2
        verdict = judge(dict(zip(names, flow.w, strict=True)), flow.magnitudes(time))
        whole = flow.integral(0.0, flow.end)
        late = flow.integral(flow.half_time(), flow.end)
        at_start = np.abs(flow.magnitudes(0.0)[0]) @ flow.w
        words = words_by_rule(whole, late, at_start)
        assert list(verdict.words.values()) == words, f"problem {seed}"
        seen.update(words)
        if not verdict.undetermined:
            D = np.array(list(verdict.decrease.values()))
            np.testing.assert_allclose(D, whole / whole.sum(), rtol=1e-7, atol=1e-9)
            half = np.array(list(verdict.late.values()))
            np.testing.assert_allclose(half, late / late.sum(), atol=2e-3 * np.abs(half).max())
            assert D.sum() == pytest.approx(1.0)
    assert set(seen) == {"drove", "balanced", "sacrificed", "inert", "undetermined"}
    assert min(seen.values()) >= 10, seen


def test_small_steps_of_gradient_descent_reach_the_same_parts():
    """Signed contributions summed over 4,000 small steps give D to three digits."""
    flow = Flow(7)
    step = flow.end / 4000
    t = flow.at(0.0)[0][0]
    start = flow.magnitudes(0.0)[0]
    pulled = np.zeros(len(flow.w))
    for _ in range(4000):
        g = flow.w[:, None] * flow.gradients(t[None])[0]
        pulled += g @ g.sum(axis=0)
        t = t - step * g.sum(axis=0)
    away = t - flow.c
    end = 0.5 * np.einsum("ij,ijk,ik->i", away, flow.A, away) + flow.k
    names = [str(i) for i in range(len(flow.w))]
    verdict = judge(dict(zip(names, flow.w, strict=True)), [start, end])
    D = np.array(list(verdict.decrease.values()))
    np.testing.assert_allclose(pulled / pulled.sum(), D, atol=5e-4)
