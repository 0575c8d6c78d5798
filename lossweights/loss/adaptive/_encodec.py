"""The EnCodec balancer: fixed shares of the gradient at the output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lossweights.base.errors import WeightError
from lossweights.loss.adaptive._method import Floats, Memory, Method, Seen, State, check_number
from lossweights.loss.weights import check_weights


@dataclass(frozen=True)
class EnCodec(Method):
    """Weights that give each term its share of the gradient at the output (Défossez et al. 2022).

    ``w_k ~ (lambda_k / sum_j lambda_j) / <|g_k|>``: the weighted gradient at the model's output is
    as long as the term's share says. ``<|g_k|>`` is the exponential moving average of the lengths
    measured so far, without the bias of its start (eq. 4). The paper fixes the length of the whole
    gradient as well; here the sum of the weights is kept instead, as for all methods.

    Paper: High Fidelity Neural Audio Compression, arXiv 2210.13438. It averages over batches with a
    decay of 0.999; here a step is an epoch, so that this is almost the mean of all so far.

    Args:
        shares: ``lambda_k`` of each term that is on; ``None`` takes the weights that the training
            was given, so that they mean shares of the gradient.
        decay: Of the moving average, 0 up to below 1; 0 takes the last measurement alone.

    Raises:
        WeightError: A share or the decay is out of its bounds; when a training starts: a term that
            is on has no share above 0.

    >>> method = EnCodec()
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> state = method.step(state, {"mse": 8.0, "under": 1.0}, [[9.0, 0.0], [0.0, 1.0]])
    >>> {name: round(weight, 4) for name, weight in state.weights.items()}
    {'mse': 0.5, 'under': 1.5}
    """

    gradients = "output"

    shares: Mapping[str, float] | None = None
    decay: float = 0.999

    def __post_init__(self) -> None:
        check_number("decay", self.decay, 0.0, np.nextafter(1.0, 0.0), open_low=False)
        if self.shares is not None:
            check_weights(self.shares)

    def start(self, weights: Mapping[str, float]) -> State:
        """As for every method; the shares must be those of the terms."""
        state = super().start(weights)
        on = [name for name, weight in state.first.items() if weight]
        if self.shares is not None:
            unknown = [name for name in self.shares if name not in state.first]
            missing = [name for name in on if not self.shares.get(name)]
            if unknown or missing:
                raise WeightError(
                    f"Expected a share above 0 for each of the terms {on}. Found "
                    f"{dict(self.shares)}: missing {missing}, unknown {unknown}. Give a term that "
                    f"is to have none the weight 0 in the loss."
                )
        return state

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """The shares over the average lengths, from the measurement before the first epoch on."""
        total, count = seen.memory.get("total", 0.0), seen.memory.get("count", np.zeros(1))
        memory = {"total": self.decay * total + seen.norms, "count": self.decay * count + 1}
        average = memory["total"] / memory["count"]
        shares = seen.first
        if self.shares is not None:
            shares = np.array([self.shares[name] for name in seen.names], dtype=np.float64)
        return np.where(average > 0, shares / average, np.nan), memory
