"""A sweep that does sums instead of training: no Keras, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.base.code_hash import code_hash
from lossweights.base.sampled import Value
from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.result import SweepResult
from lossweights.search.aims import Aims
from lossweights.search.baselines import BaselinesLike, check_baselines
from lossweights.search.rungs import Prune
from lossweights.search.samplers import SamplerLike, check_sampler
from lossweights.search.space import LogUniform, Space, SpaceLike
from lossweights.sweep.abstract import AbstractSweep
from lossweights.sweep.prepared import Prepared
from lossweights.sweep.prune import checked_prune
from lossweights.tracking import Ending
from lossweights.training import NO_HALTS, Halts, Member, ReportFunction, Trainer

During = Callable[[Member, int], EpochReport | None]


class FakeTrainer(Trainer):
    """Trains nothing: its numbers are sums of the weights, and no Keras is imported.

    With weights ``a`` and ``b`` the metrics end at ``miss = 1 / sqrt(b / a)`` and
    ``cost = sqrt(b / a)``: each is better where the other is worse. On test data they are the
    same. Adaptive weights stay where they begin. The parameters are the weights themselves.

    >>> trainer = FakeTrainer(epochs=2)
    >>> results = trainer.train([Member({"a": 1.0, "b": 4.0}, seed=0)], lambda *_: True)
    >>> results[0].outcome.name, results[0].metrics
    ('COMPLETE', {'miss': 0.5, 'cost': 2.0})

    Args:
        epochs: Reports after the one before training.
        during: Called before each report; it may kill the process, hang, raise, or return the
            report to give instead.
        capacity: How many members it says it trains best at once.
    """

    name = "fake"

    def __init__(self, epochs: int = 3, during: During | None = None, capacity: int = 1) -> None:
        self._epochs, self._during, self._capacity = epochs, during, capacity
        self._members: Sequence[Member] = ()

    @property
    def capacity(self) -> int:
        """As it was told."""
        return self._capacity

    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Report every epoch of every member, epoch by epoch as a stack does."""
        self._members = list(members)
        reports: list[list[EpochReport]] = [[] for _ in members]
        stopped: set[int] = set()
        told: set[int] = set()
        for epoch in range(self._epochs + 1):
            if len(stopped) == len(members):
                break
            if epoch - 1 in halts.at:
                standings = {
                    position: made[-1].metrics if made[-1].finite else None
                    for position, made in enumerate(reports)
                    if position not in told
                }
                told |= set(halts.wait(epoch - 1, standings)) - stopped
                stopped |= told
            for position, member in enumerate(members):
                if position not in stopped:
                    reports[position].append(self._report(member, epoch))
                    if not report(position, reports[position][-1]) and epoch < self._epochs:
                        stopped.add(position)
                        told.add(position)
                    if not reports[position][-1].finite:
                        stopped.add(position)
        return [
            self._result(member, made, stopped=position in stopped)
            for position, (member, made) in enumerate(zip(members, reports, strict=True))
        ]

    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The weights of a member of the last call, which nothing changes."""
        if not 0 <= position < len(self._members):
            raise LookupError(f"Expected one of {len(self._members)} members. Found {position}.")
        return [np.array(list(self._members[position].weights.values()))]

    def _report(self, member: Member, epoch: int) -> EpochReport:
        given = None if self._during is None else self._during(member, epoch)
        if given is not None:
            return given
        first, *_, last = member.weights.values()
        ratio = (last / first) ** 0.5
        rest = self._epochs - epoch
        magnitudes = {
            name: 1.0 + rest * weight / (1 + weight) for name, weight in member.weights.items()
        }
        metrics = {"miss": 1 / ratio + rest, "cost": ratio + rest}
        return EpochReport(epoch, magnitudes, magnitudes, metrics)

    def _result(
        self, member: Member, reports: Sequence[EpochReport], *, stopped: bool
    ) -> TrialResult:
        outcome, reason = Outcome.COMPLETE, ""
        if not reports[-1].finite:
            outcome = Outcome.DIVERGED
            reason = f"{reports[-1].bad or reports[-1].first_bad()} was not finite"
        elif stopped:
            outcome, reason = Outcome.PRUNED, f"stopped after epoch {reports[-1].epoch}"
        return TrialResult(
            weights=dict(member.weights),
            chosen=dict(member.chosen),
            seed=member.seed,
            outcome=outcome,
            reports=tuple(reports),
            reason=reason,
            seconds=0.001,
            trainer=self.name,
            test=dict(reports[-1].metrics) if member.tested and outcome is Outcome.COMPLETE else {},
        )


class FakeSweep(AbstractSweep):
    """A sweep of a `FakeTrainer`: for tests of what happens around training.

    Args:
        name: Name of the sweep.
        epochs: Epochs of each trial.
        during: See `FakeTrainer`; a function of a module.
        capacity: See `FakeTrainer`.
        baselines: Parameter values to try first; by default none.
        raced: Baselines, as `lossweights.Sweep` takes them; by default none. Those inside the space
            are tried before what else is tried first.
        space: What is sampled; by default ``b`` in 0.01 to 100, with ``a`` fixed at 1.
        objectives: Of ``miss`` and ``cost``; by default both.
        aims: Wish and constraints on them; by default none.
        seed: Seed of the sampler.
        data: Stands for the data; another value is another data set.
        prune: Stops the worst trials early, as in `lossweights.Sweep`.
        sampler: See `lossweights.Sweep`.
        confirm: From how many seeds it is confirmed where a run says nothing; by default none.
    """

    trainers = ("auto", "fake")

    def __init__(
        self,
        name: str,
        *,
        epochs: int = 3,
        during: During | None = None,
        capacity: int = 1,
        baselines: Sequence[Mapping[str, Value]] = (),
        raced: BaselinesLike = "none",
        space: SpaceLike | None = None,
        objectives: Mapping[str, str] | None = None,
        aims: Aims | None = None,
        seed: int = 0,
        data: str = "data",
        prune: Prune = None,
        sampler: SamplerLike | None = None,
        confirm: int | None = 0,
    ) -> None:
        spec: SpaceLike = {"a": 1.0, "b": LogUniform(1e-2, 1e2)} if space is None else space
        self.name, self.seed = name, seed
        self.space = Space(["a", "b"], spec)
        self.contest_baselines = check_baselines(raced, self.space)
        inside = list(self.contest_baselines.inside(self.space).values())
        self.baselines = [*inside, *(each for each in baselines if each not in inside)]
        self.objectives = dict(objectives or {"miss": "minimize", "cost": "minimize"})
        self.aims = aims or Aims()
        self._epochs, self._during, self._capacity = epochs, during, capacity
        self._data = data
        self.confirm = confirm
        self.sampler = check_sampler(sampler)
        self.prune = checked_prune(prune, self.objectives, epochs)

    @property
    def epochs(self) -> int:
        """Epochs of each trial."""
        return self._epochs

    def prepare(self, *, rehearse: bool) -> Prepared:
        """Nothing to load."""
        return _PreparedFake(
            description={
                "terms": dict.fromkeys(self.space.names),
                "recipe": {"epochs": self._epochs},
                "code": {"during": None if self._during is None else code_hash(self._during)},
                "data": self._data,
            },
            shown={"epochs": self._epochs},
            trainer=FakeTrainer(self._epochs, self._during, self._capacity),
        )


@dataclass(frozen=True, kw_only=True)
class _PreparedFake(Prepared):
    """A fake sweep, ready to run."""

    trainer: FakeTrainer

    def make_trainer(self, name: str, members: int | None = None) -> FakeTrainer:
        """The one trainer that there is."""
        return self.trainer

    def conclude(
        self,
        result: SweepResult,
        root: Path,
        *,
        recorded: bool,
        parameters: Sequence[NDArray[Any]] | None,
        tell: Callable[[SweepResult], None],
    ) -> Ending:
        """Save the picks."""
        picks = result.save_picks(root)
        tell(result)
        status = "FINISHED" if result.has_best else "FAILED"
        return Ending(status, f"{len(result.finished)} trials", list(picks.values()))
