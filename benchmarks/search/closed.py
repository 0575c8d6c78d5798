"""Problems whose training has a closed form: what a search finds is known without training.

Terms are quadratics ``(p - c_i)' A_i (p - c_i)`` of some parameters p, so that the weights w train
to ``p = (sum w_i A_i)^-1 sum w_i A_i c_i``. Objectives are the same quadratics about centres that
are moved a little, as validation data are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from lossweights.search._unbeaten import unbeaten
from lossweights.search.space import LogUniform, Simplex, Space

Floats = NDArray[np.float64]
Costs = Callable[[Floats], Floats]  # weights (rows, terms) to objectives; NaN where it diverges

RANGE = LogUniform(1e-2, 1e2)
DENSE = 1 << 14  # weight sets of which the best front is made, and then refined


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        space: What is searched.
        costs: The objectives, better when smaller.
        objectives: How many.
        noise: Standard deviation of what is measured, in parts of the best front's extent.
    """

    space: Space
    costs: Costs
    objectives: int
    noise: float = 0.0

    def at(self, weights: Mapping[str, float]) -> Floats:
        """The objectives of one weight set, shape ``(objectives,)``."""
        row = np.array([[weights[name] for name in self.space.names]])
        return self.costs(row)[0]

    def best_front(self) -> Floats:
        """The best front: of many weight sets spread evenly, and of more and more around it."""
        names = list(self.space.coordinates)
        rng = np.random.default_rng(0)
        units = qmc.Sobol(len(names), seed=0).random(DENSE)
        found = np.empty((0, self.objectives))
        at = np.empty((0, len(names)))
        for step in (0.0, 0.05, 0.02, 0.01, 0.005):
            if step:
                units = at[rng.integers(len(at), size=DENSE // 2)]
                units = np.clip(units + step * rng.normal(size=units.shape), 0.0, 1.0)
            costs = self.costs(self._weights(units, names))
            finite = np.isfinite(costs).all(axis=1)
            found = np.concatenate([found, costs[finite]])
            at = np.concatenate([at, units[finite]])
            good = unbeaten(found)
            found, at = found[good], at[good]
        return found

    def _weights(self, units: Floats, names: list[str]) -> Floats:
        rows = []
        for unit in units:
            parts = self.space.coordinates
            point = {name: parts[name].at(u) for name, u in zip(names, unit, strict=True)}
            weights = self.space.weights(self.space.parameters_at(point))
            rows.append([weights[name] for name in self.space.names])
        return np.array(rows)


def quadratics(
    terms: int,
    objectives: int = 2,
    *,
    seed: int = 0,
    simplex: bool = False,
    noise: float = 0.0,
    diverges: Callable[[Floats], NDArray[np.bool_]] | None = None,
) -> Problem:
    """Quadratic terms, the first of which the objectives are about; the first term's weight is 1.

    Args:
        terms: How many terms.
        objectives: Of how many of them the objectives are.
        seed: Of the quadratics.
        simplex: Whether the weights share a total instead.
        noise: See `Problem`.
        diverges: Which rows of weights diverge.
    """
    rng = np.random.default_rng(seed)
    parameters = terms + 1
    shapes = [np.diag(10 ** rng.uniform(-1, 1, parameters)) for _ in range(terms)]
    turns = [np.linalg.qr(rng.normal(size=(parameters, parameters)))[0] for _ in range(terms)]
    curves = np.array([turn @ shape @ turn.T for turn, shape in zip(turns, shapes, strict=True)])
    centres = rng.normal(size=(terms, parameters))
    judged = centres[:objectives] + 0.15 * rng.normal(size=(objectives, parameters))
    pulls = np.einsum("iab,ib->ia", curves, centres)

    def costs(weights: Floats) -> Floats:
        trained = np.linalg.solve(
            np.einsum("ni,iab->nab", weights, curves), (weights @ pulls)[..., None]
        )[..., 0]
        off = trained[:, None] - judged[None]
        found = np.einsum("noa,oab,nob->no", off, curves[:objectives], off)
        if diverges is not None:
            found[diverges(weights)] = np.nan
        return found

    return Problem(space_of(terms, simplex=simplex), costs, objectives, noise)


def space_of(terms: int, *, simplex: bool = False) -> Space:
    """The terms a, b, c and so on; the first one has weight 1, or all share a total."""
    names = [chr(ord("a") + index) for index in range(terms)]
    if simplex:
        return Space(names, Simplex())
    return Space(names, {name: RANGE if index else 1.0 for index, name in enumerate(names)})


def normal() -> Problem:
    """Constant prediction of Normal data under squared error and linear underestimation.

    The best constant p for ``e**2 + ratio * 2 relu(e)`` solves ``p = ratio P(y > p)``; objectives
    are the two terms.
    """
    grid = np.linspace(-6.0, 9.0, 30001)
    with np.errstate(divide="ignore", over="ignore"):
        ratios = np.where(grid > 0, grid / norm.sf(grid), 0.0)  # rises with the constant

    def costs(weights: Floats) -> Floats:
        p = np.interp(weights[:, 1] / weights[:, 0], ratios, grid)
        return np.stack([1.0 + p**2, 2.0 * (norm.pdf(p) - p * norm.sf(p))], axis=1)

    return Problem(Space(["mse", "under"], {"mse": RANGE, "under": RANGE}), costs, 2)


def valley(noise: float = 0.0) -> Problem:
    """Good weights lie along a narrow, bent valley: each needs the other to be right."""

    def costs(weights: Floats) -> Floats:
        along, across = (np.log10(weights[:, column]) / 2.0 for column in (1, 2))
        off = 20.0 * (across - 0.6 * np.sin(2.5 * along)) ** 2
        return np.stack([(along - 0.8) ** 2 + off, (along + 0.8) ** 2 + off], axis=1)

    return Problem(space_of(3), costs, 2, noise)


def diverging(objectives: int = 2, noise: float = 0.0) -> Problem:
    """Quadratics, half of whose space diverges: where two weights together are large."""
    return quadratics(
        3,
        objectives,
        seed=3,
        noise=noise,
        diverges=lambda weights: weights[:, 1] * weights[:, 2] > 1.0,
    )


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "normal": normal,
    "2 terms": lambda: quadratics(2),
    "3 terms": lambda: quadratics(3, seed=1),
    "3 terms, noise": lambda: quadratics(3, seed=1, noise=0.05),
    "3 terms, 3 objectives": lambda: quadratics(3, 3, seed=2),
    "4 terms": lambda: quadratics(4, seed=4),
    "5 terms": lambda: quadratics(5, seed=5),
    "5 terms, noise": lambda: quadratics(5, seed=5, noise=0.05),
    "6 terms": lambda: quadratics(6, seed=6),
    "simplex of 3": lambda: quadratics(3, seed=1, simplex=True),
    "simplex of 5": lambda: quadratics(5, seed=5, simplex=True),
    "valley": valley,
    "valley, noise": lambda: valley(noise=0.05),
    "diverging": diverging,
    "diverging, 1 objective": lambda: diverging(1),
}
