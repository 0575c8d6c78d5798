"""A sweep that is ready to run: its data are loaded, and its parts are known to fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from lossweights.base.strict_json import digest
from lossweights.training import SetupRequest, Trainer, TrainingSetup

if TYPE_CHECKING:  # pandas and Keras, which `lossweights --help` does not need
    from lossweights.data.once import Neighbours
    from lossweights.data.shared import SharedFile
    from lossweights.results.constants import Constants
    from lossweights.results.result import SweepResult
    from lossweights.tracking import Ending


@dataclass(frozen=True, kw_only=True)
class Prepared(ABC):
    """What driver and workers need of a sweep, once its data are loaded.

    Attributes:
        description: Everything but space, objectives and seed that decides its numbers, as plain
            JSON values; a worker that loads the sweep must find the same.
        scales: What sampled weights are divided by, term by term, or ``None``.
        units: What options of terms are multiplied by, for terms that are one of several.
        baseline: Magnitude of each term for the mean of the targets, where trials measure
            theirs, or ``None`` where there is no such prediction.
        constants: For each objective its value for the best constant prediction of the validation
            targets, and for a perfect one, as far as they are known.
        shown: What the tracker shows of the sweep.
        settings: What this process is set to, and a worker has to be before it loads the data; as
            plain JSON values.
        rows: How many rows each part of the data has, in words; empty where nobody knows.
        notes: Sentences that whoever runs it should read, such as a dimension that does nothing.
    """

    description: Mapping[str, Any]
    scales: Mapping[str, float] | None = None
    units: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    baseline: Mapping[str, float] | None = None
    constants: Constants = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: str = ""
    notes: Sequence[str] = ()

    @property
    def fingerprint(self) -> str:
        """A hash of its description; workers must find the driver's."""
        return digest(dict(self.description))

    def choose(self, request: SetupRequest) -> TrainingSetup:
        """How its trials are best trained; by default as they were asked to be."""
        return TrainingSetup.as_requested(request)

    def end_imports(self, *, recorded: bool) -> Sequence[str]:
        """Modules that `conclude` takes long to import, in the order in which it does; none.

        Args:
            recorded: Whether MLflow gets what it draws.
        """
        return ()

    @property
    def shared(self) -> SharedFile | None:
        """Where workers find its data, if those are held once; by default each loads its own."""
        return None

    def sharing(self) -> Prepared:
        """The same, with data that other processes can find; by default as it is."""
        return self

    def taking(self, path: str) -> Prepared:
        """The same, with data that another process shares instead of its own, where they are equal.

        Args:
            path: Where they are; see `lossweights.data.shared`.
        """
        return self

    @property
    def bytes_to_share(self) -> int:
        """The size of its data where it is worth holding them once; 0 where it is not."""
        return 0

    def held_with(self, neighbours: Neighbours) -> Prepared:
        """The same, with data that the workers of a node hold once; by default as it is.

        Args:
            neighbours: What they know of each other.
        """
        return self

    @abstractmethod
    def make_trainer(self, name: str, members: int | None = None) -> Trainer:
        """Build a trainer, by its name.

        Args:
            name: One of the sweep's trainers.
            members: How many members it is to train at once; ``None`` leaves that to the trainer.
        """

    @abstractmethod
    def conclude(
        self,
        result: SweepResult,
        root: Path,
        *,
        recorded: bool,
        parameters: Sequence[NDArray[Any]] | None,
        tell: Callable[[SweepResult], None],
    ) -> Ending:
        """What to do once all trials have ended.

        Args:
            result: The result, with all trials.
            root: Folder of the sweeps.
            recorded: Whether MLflow gets it: pictures, tables and a model that nobody else reads.
            parameters: What the first pick ended with, if that was held.
            tell: To be called once, as soon as all is written that a person is told, with the
                result as it then is; what takes long comes after.

        Returns:
            How the sweep's run in MLflow ends.
        """
