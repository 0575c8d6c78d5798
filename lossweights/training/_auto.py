"""The choice of a trainer: by what the model contains, and by timing a few steps of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from lossweights.foreign.devices import gpu_bytes
from lossweights.training._candidates import Candidates
from lossweights.training._rates import CLEARLY, Rates
from lossweights.training._sizes import (
    MEMORY_SHARE,
    cached_members,
    most_members,
    power_of_two,
)
from lossweights.training._stackable import NotStackable, why_not_stackable
from lossweights.training._stacked_convolution import convolutions, patch_bytes
from lossweights.training._timing import SecondsAStep, time_in_turns

log = logging.getLogger("lossweights")

# Patches of an image take so much more memory than the image that out of a processor's cache a
# product with them cannot compete with a convolution; beyond this many bytes a batch it is not even
# tried. A card has memory for them that is fast, and what that has room for is timed.
MOST_PATCH_BYTES = 4 << 20
# How often the sampler is asked at least. All trials asked for at once are a random search; asking
# more often than this did not better the front.
SAMPLER_TURNS = 4
FEWEST_AT_ONCE = 8  # however few trials there are: less is no stack
# Timing costs seconds, most of them for compiling: for fewer trials it is not done.
FEW_TRIALS = 16

Way: TypeAlias = "str | int"  # a trainer of single members, or the size of a stack


class Kept(Protocol):
    """Where rates are kept from one choice to the next."""

    def load(self) -> Rates | None:
        """What was kept."""

    def keep(self, rates: Rates) -> Rates:
        """Keep what was measured; what counts from now on."""


@dataclass(frozen=True)
class Chosen:
    """A trainer, and how many members it is to train at once.

    Attributes:
        name: Name of the trainer.
        members: How many members at once, with all cores.
        cached: How many would be trained at once, were there trials enough, as far as looking
            tells: those that the cache holds.
        why: Why, as the end of a line; empty if there was nothing to choose.
        rates: What was measured, now or earlier; ``None`` where looking was enough.
    """

    name: str
    members: int = 1
    cached: int = 1
    why: str = ""
    rates: Rates | None = None


def most_at_once(trials: int) -> int:
    """How many of so many trials are asked for at once at most, so that the sampler can learn.

    >>> [most_at_once(trials) for trials in (5, 64, 100, 1024)]
    [8, 16, 16, 256]
    """
    return max(power_of_two(trials / SAMPLER_TURNS), FEWEST_AT_ONCE)


def choose_trainer(
    candidates: Candidates,
    name: str = "auto",
    trials: int = 0,
    find_kept: Callable[[], Kept] | None = None,
    memory: int | None = None,
) -> Chosen:
    """The trainer that trains a problem fastest, of those that train it as `model.fit` does.

    What the model contains says which trainers can. A few steps of each say which is fastest,
    and how many members a stack has: those that the cache holds, half and twice as many, and so
    on while that is clearly faster and the memory has room. A stack has no more than a part of
    the trials. Sweeps of very few trials are not timed.

    Args:
        candidates: The trainers.
        name: Name of the only trainer in question, or ``"auto"`` for all.
        trials: How many trials there will be; 0 for few.
        find_kept: Gives what was measured for as many trials of this problem; nothing is timed
            again then. Not called where nothing is timed.
        memory: Bytes that may be held, or ``None`` for what is free.

    Raises:
        NotStackable: ``"stacked"`` was named, and would not train rightly.
    """
    if name in ("fit", "serial"):
        return Chosen(name)
    choice = _Choice(candidates, name, trials, memory)
    kept = find_kept() if find_kept is not None and choice.in_doubt else None
    rates = kept.load() if kept is not None and choice.may_be_stacked else None
    if rates is None:
        ways, reason = choice.ways()
        if not choice.in_doubt or not choice.has_several(ways):
            return choice.chosen(ways[0], choice.usual, reason)
        rates = choice.measure(ways)
        if rates is None:
            return choice.chosen(ways[0], choice.usual, reason)
        rates = rates if kept is None else kept.keep(rates)
    best, members = rates.best(choice.usual, choice.most)
    return choice.chosen(best, members, f"a training step takes each member {rates}", rates)


def likely_trainer(candidates: Candidates, trials: int, kept: Kept) -> Chosen:
    """The trainer that `choose_trainer` would take as far as looking tells; nothing is timed.

    Args:
        candidates: The trainers.
        trials: How many trials there will be.
        kept: What was measured for as many trials of this problem counts, if there is anything.
    """
    choice = _Choice(candidates, "auto", trials, memory=None)
    rates = kept.load() if choice.in_doubt and choice.may_be_stacked else None
    if rates is not None:
        best, members = rates.best(choice.usual, choice.most)
        return choice.chosen(best, members, "", rates)
    choice.in_doubt = False
    ways, _ = choice.ways()
    return choice.chosen(ways[0], choice.usual, "")


class _Choice:
    """What a choice is made of: the sizes in question, the trainers that can, their rates."""

    def __init__(self, candidates: Candidates, name: str, trials: int, memory: int | None) -> None:
        self._candidates, self._name = candidates, name
        model, problem = candidates.model, candidates.problem
        room = most_members(model, problem, memory)
        self._cached = min(cached_members(model, problem), room)
        self.most = min(room, most_at_once(trials))
        self.usual = min(self._cached, self.most)
        # A stack of one is what `serial` trains.
        self._stack_size = min(max(self.usual, 2), self.most)
        if name == "stacked":
            self.usual = self._stack_size
        self.in_doubt = trials >= FEW_TRIALS

    @property
    def may_be_stacked(self) -> bool:
        """Whether more than `model.fit` can train it, as far as looking tells."""
        return why_not_stackable(self._candidates.problem, self._candidates.model) is None

    def chosen(self, way: str, members: int, why: str, rates: Rates | None = None) -> Chosen:
        """The choice of a trainer; how many members matters to a stack alone."""
        if way == "stacked":
            return Chosen(way, members, self._cached, why, rates)
        return Chosen(way, why=why, rates=rates)

    def ways(self) -> tuple[list[str], str]:
        """The trainers that can be taken, the likeliest first, and why that one."""
        if self._name == "stacked":
            self._candidates.get("stacked", self._stack_size)
            return ["stacked"], ""
        reason = self._why_not_stacked()
        if reason is None and not self.in_doubt:
            return ["stacked"], "its layers can be stacked"
        if self._candidates.problem.models:
            return [
                "fit"
            ], reason or ""  # to compare each graph with Keras costs more than it saves
        try:
            _ = self._candidates.serial
        except NotStackable as error:
            single = ["fit"]
            reason = reason and error.reason
        else:
            single = ["serial", "fit"]
        return (single, reason) if reason else (["stacked", *single], "its layers can be stacked")

    def _why_not_stacked(self) -> str | None:
        model, problem = self._candidates.model, self._candidates.problem
        if problem.callbacks is not None:
            return why_not_stackable(problem, model)
        over_images = any(layer.rank > 1 for layer in convolutions(model))
        if patch_bytes(model, problem.batch_size) > self._most_patch_bytes(over_images):
            return "it has convolutions over images" if over_images else "it has long convolutions"
        if self.most == 1:
            return "a stack would not fit"
        if self.usual == 1 and not self.in_doubt:
            return "one member fills the cache"
        try:
            self._candidates.get("stacked", self._stack_size)
        except NotStackable as error:
            return error.reason
        return None

    def _most_patch_bytes(self, over_images: bool) -> float:
        """Beyond how many bytes of patches of one member stacks are out of the question."""
        if not self.in_doubt:
            return 0 if over_images else MOST_PATCH_BYTES
        card = gpu_bytes()
        return MOST_PATCH_BYTES if card is None else MEMORY_SHARE * card / self._stack_size

    def has_several(self, ways: list[str]) -> bool:
        """Whether there is anything to choose between."""
        return len(ways) > 1 or (ways == ["stacked"] and self.most > 2)

    def measure(self, ways: list[str]) -> Rates | None:
        """Time all of them; a stack in the usual size, in its neighbours, and on from there.

        Returns:
            ``None`` if none could be timed.
        """
        log.info("timing a few training steps of %s", ", ".join(ways))
        timed: list[Way] = [way for way in ways if way != "stacked"]
        if "stacked" in ways:
            sizes = (self._stack_size // 2, self._stack_size, 2 * self._stack_size)
            timed = [*filter(self._may_have, sizes), *timed]
        found = self._time(timed)
        while (edge := self._clearly_faster_edge(found)) is not None:
            again = self._time(edge)
            if edge[1] not in again:
                break
            found.update({way: min(s, found.get(way, s)) for way, s in again.items()})
        if not found:
            return None
        # What is to be taken instead of the usual way has to be clearly faster twice.
        usual: Way = self.usual if self.usual in found else "serial"
        name, members = _rates(found).best(self.usual, self.most)
        best: Way = members if name == "stacked" else name
        if best != usual and usual in found:
            found.update(self._time([usual, best]))
        return _rates(found)

    def _clearly_faster_edge(self, found: Mapping[Way, float]) -> tuple[int, int] | None:
        """The largest or smallest size timed, if it is clearly faster, and the one beyond it."""
        rates = _rates(found).stacked
        sizes = sorted(rates)
        if len(sizes) > 1:
            for last, inner, further in (
                (sizes[-1], sizes[-2], 2 * sizes[-1]),
                (sizes[0], sizes[1], sizes[0] // 2),
            ):
                if rates[last] * CLEARLY < rates[inner] and self._may_have(further):
                    return last, further
        return None

    def _may_have(self, size: int) -> bool:
        return 2 <= size <= self.most

    def _time(self, ways: Iterable[Way]) -> dict[Way, float]:
        if not self._candidates.are_large:
            return time_in_turns({way: self._seconds_a_step(way) for way in ways})
        found: dict[Way, float] = {}
        for way in ways:  # one at a time: what they hold together would be too much
            found.update(time_in_turns({way: self._seconds_a_step(way)}))
            if isinstance(way, int):
                self._candidates.stacked.give_up_stacks()
        return found

    def _seconds_a_step(self, way: Way) -> SecondsAStep:
        if isinstance(way, int):
            return partial(self._candidates.stacked.seconds_a_step, size=way)
        trainer = self._candidates.serial if way == "serial" else self._candidates.fit
        return trainer.seconds_a_step


def _rates(seconds: Mapping[Way, float]) -> Rates:
    """The rates of members, from what a step of each way takes."""
    stacked = {way: s / way for way, s in seconds.items() if isinstance(way, int)}
    return Rates(stacked, seconds.get("serial"), seconds.get("fit"))
