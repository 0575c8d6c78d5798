"""What a child run is of: a trial, or a training of the contest beside the trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lossweights.records import TrialResult
from lossweights.results.contest import BESIDE, Contestant, Outing
from lossweights.results.folder import Asked, Finished

TRIAL, OUTING = "lossweights.trial", "lossweights.outing"  # tags that say which one a run is of

# The number of a trial; of a training beside the trials its look, seed and contestant.
Key: TypeAlias = "int | str"


@dataclass(frozen=True)
class Subject:
    """What a child run is of.

    Attributes:
        key: Tells it from the others of its sweep.
        name: Name of the run.
        kind: ``"trial"``, ``"baseline"``, ``"confirm"``, ...
        tags: What is known of it when it begins.
        params: What it was asked to be.
    """

    key: Key
    name: str
    kind: str
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A training that has ended, as it is recorded.

    Attributes:
        subject: What it is of.
        result: What came of it.
        times: Milliseconds since 1970 at which each report was made, empty if nobody looked.
    """

    subject: Subject
    result: TrialResult
    times: tuple[int, ...] = ()

    @classmethod
    def of_trial(cls, finished: Finished) -> Ended:
        """A trial that has ended."""
        return cls(trial_subject(finished.asked), finished.result, finished.times)

    @classmethod
    def of_outing(cls, contestant: Contestant, outing: Outing) -> Ended:
        """A training of a contestant that has ended."""
        return cls(_outing_subject(contestant, outing), outing.result, outing.times)


def trial_subject(asked: Asked) -> Subject:
    """The subject of a trial."""
    retry = {} if asked.retry_of is None else {"lossweights.retry_of": str(asked.retry_of)}
    named = {} if asked.baseline is None else {"lossweights.baseline": asked.baseline}
    return Subject(
        key=asked.number,
        name=f"trial {asked.number:04d}",
        kind=asked.kind,
        tags={TRIAL: str(asked.number), **named, **retry},
        params={f"sampled/{name}": value for name, value in asked.parameters.items()},
    )


def _outing_subject(contestant: Contestant, outing: Outing) -> Subject:
    is_beside = outing.look == BESIDE
    own = {} if contestant.trial is None else {"lossweights.of_trial": str(contestant.trial)}
    again = f" of look {outing.look}" if outing.look > 1 else ""
    return Subject(
        key=outing_key(outing),
        name=contestant.name if is_beside else f"{contestant.name}, seed {outing.seed}{again}",
        kind="baseline" if is_beside else "confirm",
        tags={
            OUTING: outing_key(outing),
            "lossweights.contestant": contestant.name,
            "lossweights.role": contestant.role,
            "lossweights.look": str(outing.look),
            **own,
        },
        params={
            **{f"relative/{name}": weight for name, weight in contestant.weights.items()},
            **({} if contestant.method is None else {"method": dict(contestant.method)}),
        },
    )


def outing_key(outing: Outing) -> str:
    """What tells a training of the contest from the others of its sweep.

    >>> from lossweights.records import Outcome, TrialResult
    >>> outing_key(Outing("knee", 3, 1, TrialResult({}, 3, Outcome.COMPLETE, ())))
    '1/3/knee'
    """
    return f"{outing.look}/{outing.seed}/{outing.contestant}"
