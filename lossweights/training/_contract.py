"""The contract of a trainer: weight sets in, reports out, results at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lossweights.base.sampled import Value
from lossweights.loss.adaptive import Method
from lossweights.records import EpochReport, TrialResult


@dataclass(frozen=True)
class Adaptive:
    """How a member's weights move from epoch to epoch.

    Attributes:
        method: Gives the weights of the next epoch, as in `lossweights.watch.schedule`.
        units: What a relative weight of 1 multiplies each term by: the method reads magnitudes and
            gradients, and gives weights, in units of these.
    """

    method: Method
    units: Mapping[str, float]


@dataclass(frozen=True)
class Member:
    """One training to do.

    Attributes:
        weights: Effective weight of each term; with ``adaptive`` those that its method is given:
            their sum is kept, and what is off stays off.
        seed: Seed of initialisation, batch order and dropout.
        adaptive: How the weights move, or ``None`` for fixed ones.
        tested: Whether the kept parameters are measured on the test data as well, if there are any.
        chosen: What the training reads beside weights, such as ``hyper/learning_rate``; by default
            what the problem says.
    """

    weights: Mapping[str, float]
    seed: int
    adaptive: Adaptive | None = None
    tested: bool = False
    chosen: Mapping[str, Value] = field(default_factory=dict)


# Called after each epoch with the member's position and its report; False stops that member.
ReportFunction: TypeAlias = Callable[[int, EpochReport], bool]


# The metrics of members that have got to an epoch, by position: those of the last report, or of the
# best epoch if the member ended early by itself; `None` if it has diverged. Members that were
# stopped before are not among them.
Standings: TypeAlias = "Mapping[int, Mapping[str, float] | None]"


def _stop_nobody(epoch: int, standings: Standings) -> Collection[int]:
    return ()


@dataclass(frozen=True)
class Halts:
    """The epochs at which a training waits to be told who goes on.

    Attributes:
        at: The epochs.
        wait: Called with the epoch and how the members stand once all have got there or have ended,
            as long as one is still training. It may take its time, and gives the positions of the
            members that stop there.
    """

    at: frozenset[int] = frozenset()
    wait: Callable[[int, Standings], Collection[int]] = field(default=_stop_nobody, compare=False)

    def legs(self, epochs: int) -> Iterator[tuple[int, int]]:
        """A training of so many epochs in parts without a halt: the epochs each lies between.

        >>> list(Halts(frozenset({5, 10})).legs(20)), list(Halts().legs(20))
        ([(0, 5), (5, 10), (10, 20)], [(0, 20)])
        """
        stops = [0, *sorted(epoch for epoch in self.at if 0 < epoch < epochs), epochs]
        yield from pairwise(stops)


NO_HALTS = Halts()


class Trainer(ABC):
    """Trains a batch of members of one problem.

    For the same member every trainer gives the same numbers to float32 rounding: the model is
    initialised as `keras.utils.set_random_seed(seed)` before `build_model()` does it, and epoch
    ``e`` visits the rows in the order `batch_order(rows, seed, e)`; those of a stream in its own.

    A member whose terms, metrics or parameters stop being finite ends as ``DIVERGED``, with the
    last report naming what went; the others go on. Reports start with epoch 0, before training.

    The weights of an adaptive member are moved after each report, by the magnitudes in it; reports
    say which were in force. Test data are read for members that are to be tested, and else never:
    once such a member has trained to its end, its kept parameters are measured on them.

    With halts no member trains beyond such an epoch before all others have got there or have ended,
    however many are trained at once; what waits is kept, and goes on as if it had never waited.
    """

    name: str

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many members it trains best at once."""

    def warm_up(self) -> None:  # noqa: B027  where there is nothing to compile
        """Compile what a full batch of members will need, if that can be done beforehand.

        Nothing of it shows in what is trained; what fails here fails in training, if it does.
        """

    @abstractmethod
    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Train the members and give one result each, in their order.

        Args:
            members: What to train.
            report: Called after each epoch of each member; False stops it.
            halts: Where all members wait for each other; by default nowhere.
        """

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
