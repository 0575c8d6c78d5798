"""What the Gram matrix of the terms' gradients says: plain numbers from ``K * K`` numbers.

``M_ij`` is the inner product of the gradients of term i and term j, both unweighted. A weighted
term has the gradient ``w_i g_i``, so the answers for any weights follow from one matrix. Except
where said otherwise a stack of matrices, one a measurement, is answered as ratio of sums, which
is the path integral's own average; a mean of ratios would be ruled by the measurements near
convergence, where the ratios are 0/0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def gradient_norms(gram: ArrayLike) -> Floats:
    """The length of each term's unweighted gradient, shape ``(..., terms)``.

    >>> gradient_norms([[9.0, 0.0], [0.0, 4.0]]).tolist()
    [3.0, 2.0]
    """
    return np.sqrt(np.maximum(np.diagonal(_matrices(gram), axis1=-2, axis2=-1), 0.0))


def norm_shares(weights: ArrayLike, gram: ArrayLike) -> Floats:
    """The part of each term in the sum of the weighted gradients' lengths, shape ``(..., terms)``.

    It ignores direction: of two terms that cancel, both look important. NaN if all are 0.

    >>> norm_shares([1.0, 1.0], [[9.0, -3.0], [-3.0, 1.0]]).tolist()
    [0.75, 0.25]
    """
    w = np.asarray(weights, dtype=np.float64)
    lengths = w * np.where(w == 0, 0.0, gradient_norms(gram))
    return _ratio(lengths, lengths.sum(axis=-1, keepdims=True))


def cosines(gram: ArrayLike) -> Floats:
    """The cosine between the gradients of every two terms, shape ``(..., terms, terms)``.

    1: they pull the same way; 0: they do not touch each other; -1: each undoes the other. NaN for
    a term without gradient.

    >>> cosines([[9.0, -3.0], [-3.0, 1.0]])[0, 1].item()
    -1.0
    """
    lengths = gradient_norms(gram)
    products = lengths[..., :, None] * lengths[..., None, :]
    return np.clip(_ratio(_matrices(gram), products), -1.0, 1.0)


def contributions(weights: ArrayLike, grams: ArrayLike) -> Floats:
    """The part of each term in the first-order decrease of a gradient step, shape ``(terms,)``.

    ``p_i = w_i (M w)_i / w^T M w``, numerator and denominator each summed over the matrices given.
    The parts sum to 1; a term that the others' pull makes worse has a negative one. Integrated
    along gradient descent this is the decrease share. NaN where no step decreases anything.

    Args:
        weights: Effective weights, shape ``(terms,)`` or ``(measurements, terms)``.
        grams: Shape ``(terms, terms)`` or ``(measurements, terms, terms)``.

    >>> contributions([1.0, 1.0], [[9.0, -3.0], [-3.0, 1.0]]).tolist()
    [1.5, -0.5]
    """
    pulls = _pulls(weights, grams)
    pulls = pulls.reshape(-1, pulls.shape[-1]).sum(axis=0)
    return _ratio(pulls, pulls.sum())


def gram_metrics(weights: Mapping[str, float], gram: ArrayLike) -> dict[str, float]:
    """What one Gram matrix says, by the names under which it is logged.

    ``gradnorm/<term>``, ``gradshare/<term>``, ``contribution/<term>``, ``cosine/<term>/<term>``.

    Args:
        weights: Effective weight of each term, in the order of the matrix.
        gram: Shape ``(terms, terms)``.

    >>> values = gram_metrics({"a": 1.0, "b": 1.0}, [[9.0, -3.0], [-3.0, 1.0]])
    >>> values["contribution/a"], values["cosine/a/b"]
    (1.5, -1.0)
    """
    columns = gram_columns(list(weights), [list(weights.values())], _matrices(gram)[None])
    return {key: column[0] for key, column in columns.items()}


def gram_columns(
    names: Sequence[str], weights: ArrayLike, grams: ArrayLike
) -> dict[str, list[float]]:
    """What each of several Gram matrices says, as `gram_metrics` of each, by name.

    Args:
        names: The terms, in the order of the matrices.
        weights: Effective weights, shape ``(measurements, terms)``.
        grams: Shape ``(measurements, terms, terms)``.

    >>> gram_columns(["a"], [[1.0], [2.0]], [[[4.0]], [[9.0]]])["gradnorm/a"]
    [2.0, 3.0]
    """
    pulls, angles = _pulls(weights, grams), cosines(grams)
    tables = {
        "gradnorm": gradient_norms(grams),
        "gradshare": norm_shares(weights, grams),
        "contribution": _ratio(pulls, pulls.sum(axis=-1, keepdims=True)),
    }
    found = {
        f"{key}/{name}": column
        for key, table in tables.items()
        for name, column in zip(names, table.T.tolist(), strict=True)
    }
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        found[f"cosine/{a}/{b}"] = angles[:, i, j].tolist()
    return found


def gram_table(names: Sequence[str], gram: ArrayLike) -> dict[str, dict[str, float]]:
    """A Gram matrix as a table by two names, as `lossweights.records.EpochReport` keeps it."""
    matrix = _matrices(gram).tolist()
    return {a: dict(zip(names, row, strict=True)) for a, row in zip(names, matrix, strict=True)}


def _pulls(weights: ArrayLike, grams: ArrayLike) -> Floats:
    """What each term takes off in a gradient step, shape ``(..., terms)``."""
    w = np.asarray(weights, dtype=np.float64)
    pairs = w[..., :, None] * w[..., None, :]
    # A term of weight 0 may have no gradient that is defined; it pulls at nothing.
    pulls: Floats = (pairs * np.where(pairs == 0, 0.0, _matrices(grams))).sum(axis=-1)
    return pulls


def _matrices(gram: ArrayLike) -> Floats:
    return np.asarray(gram, dtype=np.float64)


def _ratio(above: Floats, below: Floats) -> Floats:
    shape = np.broadcast_shapes(above.shape, np.shape(below))
    return np.divide(above, below, out=np.full(shape, np.nan), where=below != 0)
