"""What members ended with, held where they were trained for as long as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lossweights.records import Outcome, TrialResult
from lossweights.training import Member, Trainer

# That a process holds for the winner, which is one of many trials. Those of a model that is small
# enough to be trained in less time than it takes to compile it again are all held.
MOST_BYTES = 64 << 20

Parameters: TypeAlias = "list[NDArray[Any]]"


class KeptParameters:
    """The parameters of the members that were trained last, by the members themselves.

    Of a member with several replicas nothing is held, nor of one whose weights moved.

    Args:
        most: Bytes that are held at most; what was trained first goes first.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held: dict[object, Parameters] = {}  # the oldest first

    def take(
        self, trainer: Trainer, members: Sequence[Member], results: Sequence[TrialResult]
    ) -> None:
        """Hold what a trainer still has of the members that it just trained.

        Args:
            trainer: What trained them.
            members: In the order in which it was given them.
            results: Theirs.
        """
        for position, (member, result) in enumerate(zip(members, results, strict=True)):
            is_plain = member.adaptive is None and not result.replicas
            if is_plain and result.outcome is Outcome.COMPLETE:
                with suppress(LookupError):  # it has those of the last stack alone
                    self._hold(_key(member), trainer.parameters(position))

    def of(self, member: Member) -> Parameters | None:
        """What a member ended with, if it is held."""
        return self._held.get(_key(member))

    def clear(self) -> None:
        """Hold nothing."""
        self._held.clear()

    def _hold(self, key: object, parameters: Parameters) -> None:
        self._held.pop(key, None)
        if _bytes([parameters]) > self._most:
            return
        self._held[key] = parameters
        while _bytes(self._held.values()) > self._most:
            del self._held[next(iter(self._held))]


def _key(member: Member) -> object:
    """What decides the parameters that a member ends with, as it comes through a pipe, too."""
    return _pairs(member.weights), member.seed, _pairs(member.chosen)


def _pairs(values: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(values.items()))


def _bytes(held: Any) -> int:
    return sum(array.nbytes for parameters in held for array in parameters)
