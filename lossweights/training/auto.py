"""The choice of a trainer: by what the model contains, and by timing a few steps of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from lossweights.rates import CLEARLY, Rates
from lossweights.training.candidates import Candidates
from lossweights.training.sizes import cached_members, most_members, power_of_two
from lossweights.training.stackable import NotStackable, has_own_kernels
from lossweights.training.stacked_convolution import convolutions, patch_bytes
from lossweights.training.timing import SecondsAStep, time_in_turns

log = logging.getLogger("lossweights")

# Patches of an image take so much more memory than the image that a product with them cannot
# compete with a convolution; beyond this many bytes a batch it is not even tried.
MOST_PATCH_BYTES = 4 << 20
# How often the sampler is to learn at least before the last trials are asked for. All trials asked
# for at once are a random search; from four turns on larger ones cost the front nothing.
TURNS = 4
FEWEST_AT_ONCE = 8  # however few trials there are: less is no stack
# Timing costs seconds, most of them for compiling: fewer trainings are not worth it.
FEW_TRIALS = 16


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


def choose_trainer(
    candidates: Candidates, name: str = "auto", trials: int = 0, known: Rates | None = None
) -> Chosen:
    """The trainer that trains a problem fastest, of those that train it as `model.fit` does.

    What the model contains says which trainers can. A few steps of each say which is fastest,
    and how many members a stack has: those that the cache holds, half and twice as many, and so
    on while that is clearly faster and the memory has room. A stack has no more than a part of
    the trials, so that the sampler can learn; where that is less than the cache holds, there is
    nothing to time, unless layers leave in doubt whether a stack is faster at all.

    Args:
        candidates: The trainers.
        name: Name of the only trainer in question, or ``"auto"`` for all.
        trials: How many trials there will be; 0 for few.
        known: What was measured for this problem before; nothing is measured again then.

    Raises:
        NotStackable: ``"stacked"`` was named, and would not train rightly.
    """
    if name in ("fit", "serial"):
        return Chosen(name)
    choice = _Choice(candidates, name, trials)
    if known is None or not choice.in_doubt:  # as if nothing were known, so that reruns are alike
        ways, reason = choice.ways()
        if not choice.in_doubt or not choice.has_several(ways):
            return choice.chosen(ways[0], choice.usual, reason)
        known = choice.measure(ways)
    best, members = known.best(choice.usual, choice.most)
    return choice.chosen(best, members, f"a training step takes each member {known}", known)


class _Choice:
    """What a choice is made of: the sizes in question, the trainers that can, their rates."""

    def __init__(self, candidates: Candidates, name: str, trials: int) -> None:
        self._candidates, self._name = candidates, name
        model, problem = candidates.model, candidates.problem
        self._cached = cached_members(model, problem)
        in_turns = max(power_of_two(trials / TURNS), FEWEST_AT_ONCE)
        self.most = min(most_members(model, problem), in_turns)
        self.usual = min(self._cached, self.most)
        is_clear = not has_own_kernels(model)
        self.in_doubt = trials >= max(TURNS * self._cached if is_clear else 0, FEW_TRIALS)

    def chosen(self, way: str, members: int, why: str, rates: Rates | None = None) -> Chosen:
        """The choice of a trainer; how many members matters to a stack alone."""
        if way == "stacked":
            return Chosen(way, members, self._cached, why, rates)
        return Chosen(way, why=why, rates=rates)

    def ways(self) -> tuple[list[str], str]:
        """The trainers that can be taken, the likeliest first, and why that one."""
        if self._name == "stacked":
            _ = self._candidates.stacked
            return ["stacked"], ""
        reason = self._why_not_stacked()
        if reason is None and not self.in_doubt:
            return ["stacked"], "its layers can be stacked"
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
        over_images = any(layer.rank > 1 for layer in convolutions(model))
        most = MOST_PATCH_BYTES if self.in_doubt or not over_images else 0
        if patch_bytes(model, problem.batch_size) > most:
            return "it has convolutions over images" if over_images else "it has long convolutions"
        if self.usual == 1:
            return "one member fills the cache" if self.most > 1 else "a stack would not fit"
        try:
            _ = self._candidates.stacked
        except NotStackable as error:
            return error.reason
        return None

    def has_several(self, ways: list[str]) -> bool:
        """Whether there is anything to choose between."""
        return len(ways) > 1 or (ways == ["stacked"] and self.most > 1)

    def measure(self, ways: list[str]) -> Rates:
        """Time all of them; a stack in the usual size, in its neighbours, and on from there."""
        log.info("timing a few training steps of %s", ", ".join(ways))
        timed: dict[str | int, SecondsAStep] = {}
        if "stacked" in ways:
            sizes = (self.usual // 2, self.usual, 2 * self.usual)
            timed.update((size, self._stack(size)) for size in sizes if self._may_have(size))
        if "serial" in ways:
            timed["serial"] = self._candidates.serial.seconds_a_step
        if "fit" in ways:
            timed["fit"] = self._candidates.fit.seconds_a_step
        found = time_in_turns(timed)
        while (edge := self._clearly_faster_edge(found)) is not None:
            last, further = edge
            again = time_in_turns({last: timed[last], further: self._stack(further)})
            timed[further] = self._stack(further)
            found.update({key: min(s, found.get(key, s)) for key, s in again.items()})
        stacked = {key: s / key for key, s in found.items() if isinstance(key, int)}
        return Rates(stacked, found.get("serial"), found.get("fit"))

    def _clearly_faster_edge(self, found: Mapping[str | int, float]) -> tuple[int, int] | None:
        """The largest or smallest size timed, if it is clearly faster, and the one beyond it."""
        rates = {
            size: found[size] / size for size in sorted(k for k in found if isinstance(k, int))
        }
        sizes = list(rates)
        if len(sizes) > 1:
            for last, inner, further in (
                (sizes[-1], sizes[-2], 2 * sizes[-1]),
                (sizes[0], sizes[1], sizes[0] // 2),
            ):
                if rates[last] * CLEARLY < rates[inner] and self._may_have(further):
                    return last, further
        return None

    def _may_have(self, size: int) -> bool:
        least = 1 if self._name == "stacked" else 2  # otherwise one is what `serial` trains
        return least <= size <= self.most

    def _stack(self, size: int) -> SecondsAStep:
        return partial(self._candidates.stacked.seconds_a_step, size=size)
