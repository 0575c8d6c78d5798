"""What a child run is of: a trial, or a training of the contest beside the trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lossweights.records import TrialResult
from lossweights.results.contest import BESIDE, Contestant, Outing
from lossweights.results.folder import Asked, Finished
from lossweights.tracking._about import About

NAMED = 4  # weights that the name of a run says
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
        is_trial: Whether it is a trial of the space, or a training beside them.
    """

    key: Key
    name: str
    kind: str
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    is_trial: bool = True


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
    def of_trial(cls, finished: Finished, about: About) -> Ended:
        """A trial that has ended."""
        subject = trial_subject(finished.asked, finished.result.weights, about)
        return cls(subject, finished.result, finished.times)

    @classmethod
    def of_outing(cls, contestant: Contestant, outing: Outing) -> Ended:
        """A training of a contestant that has ended."""
        return cls(_outing_subject(contestant, outing), outing.result, outing.times)


def trial_subject(asked: Asked, weights: Mapping[str, float], about: About) -> Subject:
    """The subject of a trial: its name says its weights, so that a list of runs can be read.

    >>> trial_subject(Asked(55, {}, "trial"), {"mse": 1.0, "under": 4.2}, About()).name
    '055 mse 1, under 4.2'
    """
    retry = {} if asked.retry_of is None else {"lossweights.retry_of": str(asked.retry_of)}
    named = {} if asked.baseline is None else {"lossweights.baseline": asked.baseline}
    called = "" if asked.baseline is None else f"{asked.baseline}: "
    # What was sampled is a weight already, where nothing was divided by scales.
    sampled = {
        f"sampled/{name}": value
        for name, value in asked.parameters.items()
        if weights.get(name) != value
    }
    return Subject(
        key=asked.number,
        name=f"{asked.number:03d} {called}{_told(about.varied(weights))}".rstrip(": "),
        kind=asked.kind,
        tags={TRIAL: str(asked.number), **named, **retry},
        params=sampled,
    )


def _told(weights: Mapping[str, float]) -> str:
    shown = [f"{name} {w:{'.0f' if 100 <= w < 1e6 else '.2g'}}" for name, w in weights.items()]
    more = [] if len(shown) <= NAMED else [f"and {len(shown) - NAMED} more"]
    return ", ".join([*shown[:NAMED], *more])


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
        is_trial=False,
    )


def outing_key(outing: Outing) -> str:
    """What tells a training of the contest from the others of its sweep.

    >>> from lossweights.records import Outcome, TrialResult
    >>> outing_key(Outing("knee", 3, 1, TrialResult({}, 3, Outcome.COMPLETE, ())))
    '1/3/knee'
    """
    return f"{outing.look}/{outing.seed}/{outing.contestant}"
