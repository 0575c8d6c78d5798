"""What the steps of a run need to know of a sweep."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from lossweights.base.sampled import Value
from lossweights.results.proof import MIN_EFFECT
from lossweights.search.aims import Aims
from lossweights.search.baselines import NO_BASELINES, Baselines
from lossweights.search.samplers import SamplerLike
from lossweights.search.space import Space
from lossweights.sweep.prepared import Prepared


class Declaration(Protocol):
    """A sweep as it was declared; `lossweights.sweep.abstract.AbstractSweep` is one.

    Attributes:
        name: Name of the sweep.
        space: What is sampled.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        seed: Seed of the sampler and of every training.
        baselines: Parameter values to try first.
        contest_baselines: What the sweep has to beat; by default nothing.
        confirm: From how many seeds picks and baselines are trained anew at the end; ``None``
            leaves that to the time that it takes.
        aims: Wish and constraints; by default none.
        min_effect: The least gain that the sweep's sentence calls one, in parts of a metric.
        sampler: What samples; ``None`` for the default, or for what samples a resumed sweep.
        trainers: Names of the trainers that it can build.
        epochs: Passes over the training data in each trial.
        prune: `lossweights.Rungs`, a pruner of Optuna, or ``None`` for training all to the end.
        worker_imports: Modules that take workers long to import.
    """

    name: str
    space: Space
    objectives: Mapping[str, str]
    seed: int
    baselines: Sequence[Mapping[str, Value]]
    contest_baselines: Baselines = NO_BASELINES
    confirm: int | None = None
    sampler: SamplerLike | None
    aims: Aims = Aims()
    min_effect: float = MIN_EFFECT
    trainers: ClassVar[Sequence[str]]
    prune: Any
    worker_imports: ClassVar[Sequence[str]] = ()

    @property
    @abstractmethod
    def epochs(self) -> int:
        """Passes over the training data in each trial."""

    @property
    def trainings(self) -> int:
        """How often each weight set is trained: for each seed, on each fold."""
        return 1

    def check_trainer(self, name: str, *, halts: bool = False) -> None:
        """Refuse a trainer that cannot train this sweep as it was declared; by default none.

        Args:
            name: One of `trainers`.
            halts: Whether trials wait for each other at rungs.

        Raises:
            RecipeError: Says why, and what to do.
        """

    def check_prune(self) -> None:
        """Refuse to stop trials early where they could not wait for each other; by default nowhere.

        Raises:
            RecipeError: Says why, and what to do.
        """

    @abstractmethod
    def prepare(self, *, rehearse: bool) -> Prepared:
        """Load the data and, for the driver, try every part once, so that mistakes show at once."""
