"""The members of a stack: what each trains, where its training waits, and which train together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lossweights.training._contract import Member
from lossweights.training._history import MemberHistory
from lossweights.training._stacked_variables import MemberValues


@dataclass
class Run:
    """A member, and where its training waits, if it has begun."""

    history: MemberHistory
    values: MemberValues | None = None
    size: int = 0  # of the stack that it waits in

    @property
    def member(self) -> Member:
        """What is trained."""
        return self.history.member


Slots: TypeAlias = "list[Run | None]"  # what each place of a stack trains, if anything


def groups(runs: Sequence[Run], size: int, *, one_seed: bool) -> list[list[Run]]:
    """The members in groups of one stack; members of one seed together where that can be.

    Args:
        runs: The members.
        size: Most of a group.
        one_seed: Whether a group has one seed alone, since members share random generators.
    """
    found: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: run.member.seed):
        full = not found or len(found[-1]) >= size
        other = one_seed and found and found[-1][0].member.seed != run.member.seed
        if full or other:
            found.append([])
        found[-1].append(run)
    return found
