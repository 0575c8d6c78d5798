"""All that a confirmation says of a sweep."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lossweights.base.commands import command
from lossweights.base.errors import PickError
from lossweights.records import Outcome, TrialResult
from lossweights.results.contest import Contest, Contestant
from lossweights.results.proof import _curse, _table, _worth
from lossweights.results.proof._compare import MIN_EFFECT, Comparison
from lossweights.results.proof._look import Look
from lossweights.results.proof._notes import notes_on
from lossweights.results.proof._promotion import Promotion, Rules, promotion
from lossweights.results.proof._sentence import sentence_of
from lossweights.search.aims import Aims
from lossweights.search.choices import shown

log = logging.getLogger("lossweights")


class Kept(NamedTuple):
    """What a weight set keeps of a trial or of a baseline.

    Attributes:
        result: A training with its weights.
        metrics: Metrics on validation data.
        origin: The trial, its seed, the name of a baseline, and what was chosen beside the
            weights, as far as there are any.
        trial: The trial's number, if it is one.
    """

    result: TrialResult
    metrics: Mapping[str, float]
    origin: Mapping[str, float | str]
    trial: int | None = None

    @classmethod
    def of_trial(cls, number: int, result: TrialResult, baseline: str | None = None) -> Kept:
        """What is kept of a trial, which may be a baseline of that name."""
        named = {} if baseline is None else {"baseline": baseline}
        origin = {"trial": number, "seed": result.seed, **named, **shown(result.chosen)}
        return cls(result, result.metrics, origin, number)

    def number(self, pick: object) -> int:
        """The trial's number.

        Raises:
            PickError: It is none.
        """
        if self.trial is None:
            raise PickError(
                f"Expected a pick that is a trial. Found {pick!r}, a baseline that was trained "
                f"beside the trials. result.baselines and result.best({pick!r}) have it."
            )
        return self.trial


@dataclass(frozen=True)
class Proof:
    """What the last confirmation of a sweep says.

    Attributes:
        name: Name of the sweep.
        root: Folder of the sweeps.
        contest: The trainings beside the trials.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        directions: Which way each metric is better, or ``None`` where neither end is.
        trials: What came of the trials, by number.
        pick: What the sweep calls the pick that it would promote, such as ``"knee"``.
        number: The trial that this is now, or ``None`` if no trial is complete.
        aims: Wish and constraints of the sweep.
        min_effect: The least gain that counts, in parts of a metric.
        learned_nothing: That the sweep learned nothing, if so: nothing else may be signed then.
    """

    name: str
    root: Path
    contest: Contest
    objectives: Mapping[str, str]
    directions: Mapping[str, str | None]
    trials: Mapping[int, TrialResult]
    pick: str
    number: int | None
    aims: Aims
    min_effect: float = MIN_EFFECT
    learned_nothing: str = ""

    @cached_property
    def look(self) -> Look | None:
        """The last confirmation that has ended, or the one that is going on; or ``None``."""
        return Look.latest(self.contest)

    @cached_property
    def confirmation(self) -> pd.DataFrame:
        """See `SweepResult.confirmation`."""
        if self.look is None:
            return pd.DataFrame(columns=list(_table.COLUMNS))
        return _table.confirmation_table(self.look, self.directions)

    @cached_property
    def contestant(self) -> Contestant | None:
        """The contestant that is the pick, or ``None`` if the pick of today was not confirmed."""
        if self.look is None or self.number is None:
            return None
        entered = [c for c in self.look.contestants if c.trial == self.number and not c.method]
        named = [c for c in entered if c.name == self.pick]
        return next(iter([*named, *entered]), None)

    @cached_property
    def promotion(self) -> Promotion | None:
        """What is promoted, or ``None`` before a confirmation of today's pick has ended.

        Where that cannot be found out, the sweep keeps its pick, and the sentence says why.
        """
        return self._judged[0]

    @property
    def failed(self) -> str:
        """Why the confirmation could not be judged; empty if it could, or if there is none."""
        return self._judged[1] if self.promotion is None else ""

    @cached_property
    def _judged(self) -> tuple[Promotion | None, str]:
        """What is promoted, and what is said of it or why nothing can be."""
        look = self.look
        if look is None or self.contestant is None or not look.whole:
            return None, ""
        rules = Rules(self.objectives, look.data, self.min_effect, self.aims)
        try:
            found = promotion(look, self.contestant, rules)
            return found, sentence_of(look, found, rules, self.pick)
        except Exception as error:
            log.warning("the confirmation of %s could not be judged", self.name, exc_info=True)
            return None, f"{type(error).__name__}: {error}"

    @property
    def promoted(self) -> str:
        """The name of the pick or of the baseline that is promoted."""
        found = self.promotion
        if found is None or found.promoted.name == found.pick.name:
            return self.pick
        return found.promoted.name

    def baseline(self, name: str) -> Kept | None:
        """A fixed baseline as a weight set holds it, with its mean metrics on validation data.

        ``None`` if no baseline of this name was trained beside the trials.

        Raises:
            PickError: It is an adaptive method, which has no weights to keep.
        """
        looks = [look for look in (self.look, Look.of(self.contest, 0)) if look is not None]
        entered = [(look, found) for look in looks if (found := look.named(name)) is not None]
        entered = [(look, found) for look, found in entered if found.role == "baseline"]
        if any(found.method is not None for _, found in entered):
            raise PickError(
                f"Expected a fixed weight set as a pick. Found {name!r}, whose weights "
                f"move while it trains. Use it with lw.adaptive.schedule()."
            )
        entered = [(look, found) for look, found in entered if look.results[name]]
        if not entered:
            return None
        look, found = entered[0]  # the confirmation: what was measured from many seeds counts
        trial = found.trial if found.trial in self.trials else None
        origin = {} if trial is None else {"trial": trial}
        # What is trained once more is from the seed of the sweep, if there is such a training.
        trained = [
            result for look, _ in reversed(entered) for result in look.results[name].values()
        ]
        trained.sort(key=lambda result: result.outcome is not Outcome.COMPLETE)
        result = trained[0] if trial is None else self.trials[trial]
        chosen = {**origin, **shown(result.chosen)}
        return Kept(result, look.means(name, "val"), chosen, trial)

    @cached_property
    def sentence(self) -> str:
        """See `SweepResult.sentence`."""
        if self.number is None:
            return "Nothing can be said: no trial is complete."
        if self.learned_nothing:
            return self.learned_nothing
        label, look = f"{self.pick} (trial {self.number})", self.look
        confirm = command("confirm", self.name, self.root)
        if look is None:
            return (
                f"Not confirmed: {label} is the best of {len(self.trials)} trials on the data that "
                f"it was chosen by, which flatters it. Confirm it from fresh seeds: `{confirm}`."
            )
        if not look.whole:
            return (
                f"Not confirmed: the confirmation has not ended. Go on with it: "
                f"`{command('resume', self.name, self.root)}`."
            )
        if self.contestant is None:
            was = next((c.trial for c in look.contestants if c.name == self.pick), None)
            other = "" if was is None else f"; what was confirmed as {self.pick} is trial {was}"
            return f"Not confirmed: {label} was not among the contestants{other}. Run `{confirm}`."
        if self.failed:
            return f"Not confirmed: the confirmation cannot be judged ({self.failed})."
        return self._judged[1]

    @cached_property
    def curse(self) -> pd.DataFrame:
        """See `SweepResult.curse`."""
        if self.look is None:
            return pd.DataFrame(columns=list(_curse.COLUMNS))
        return _curse.curse_table(self.look, self.trials, self.objectives)

    @cached_property
    def worth(self) -> pd.DataFrame:
        """See `SweepResult.worth`."""
        if self.look is None:
            return pd.DataFrame(columns=list(_worth.COLUMNS))
        there = [data for data in ("test", "val") if self.look.metrics(data)]
        return _worth.worth_table({data: self._without(self.look, data) for data in there})

    @property
    def notes(self) -> list[str]:
        """What is to be known beside the sentence: what is missing, the winner's curse, and worth.

        A sentence each.
        """
        look = self.look
        if look is None or not look.whole:
            return []
        curse = _curse.curse_sentence(self.curse, self.pick)
        worth = _worth.worth_sentences(self._without(look, look.data), look)
        return [*notes_on(look), *([curse] if curse else []), *worth]

    def standard_error(self, metric: str) -> float | None:
        """How far one training of the pick that is best in a metric is off, from seed to seed.

        Measured on validation data, as trials are; ``None`` if it was not confirmed.
        """
        look, direction = self.look, self.directions.get(metric)
        if look is None or direction is None:
            return None
        values = {c.name: look.values(c.name, metric, "val") for c in look.contestants
                  if c.role == "pick"}  # fmt: skip
        known = {name: list(of.values()) for name, of in values.items() if len(of) > 1}
        if not known:
            return None
        sign = -1.0 if direction == "maximize" else 1.0
        best = min(known, key=lambda name: sign * sum(known[name]) / len(known[name]))
        return float(pd.Series(known[best]).std())

    def _without(self, look: Look, data: str) -> dict[str, Comparison]:
        return _worth.comparisons_without(look, self.directions, data, self.min_effect)
