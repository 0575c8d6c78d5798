"""The contract of a trainer: weight sets in, reports out, results at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lossweights.records import EpochReport, TrialResult


@dataclass(frozen=True)
class Member:
    """One training to do: the effective weight of each term, and the seed."""

    weights: Mapping[str, float]
    seed: int


# Called after each epoch with the member's position and its report; False stops that member.
ReportFunction: TypeAlias = Callable[[int, EpochReport], bool]


class Trainer(ABC):
    """Trains a batch of members of one problem.

    For the same member every trainer gives the same numbers to float32 rounding: the model is
    initialised as `keras.utils.set_random_seed(seed)` before `build_model()` does it, and epoch
    ``e`` visits the rows in the order `batch_order(rows, seed, e)`; those of a stream in its own.

    A member whose terms, metrics or parameters stop being finite ends as ``DIVERGED``, with the
    last report naming what went; the others go on. Reports start with epoch 0, before training.
    """

    name: str

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many members it trains best at once."""

    @abstractmethod
    def train(self, members: Sequence[Member], report: ReportFunction) -> list[TrialResult]:
        """Train the members and give one result each, in their order."""

    @abstractmethod
    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The parameters that a member of the last call of `train` ended with.

        Args:
            position: Its place among the members of that call, and among its last `capacity`.

        Returns:
            Arrays for ``model.set_weights`` of a model of the problem.

        Raises:
            LookupError: The member did not train to its end, or is not among the last ones.
        """
