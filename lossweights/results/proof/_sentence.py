"""The one sentence that may be signed: what the confirmed pick is better than, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

from lossweights.dominance.verdict import listed
from lossweights.results.proof._compare import Comparison, Standing
from lossweights.results.proof._look import Look
from lossweights.results.proof._promotion import Promotion, Rules
from lossweights.results.proof._table import interval
from lossweights.results.proof._words import by_how_much, called, within

# Of baselines whose means are outside the pick's interval.
SCATTERED = "since from seed to seed these differ too much to be told apart, and have worse means"


def sentence_of(look: Look, found: Promotion, rules: Rules, pick: str) -> str:
    """What a confirmation says of the pick.

    Args:
        look: The confirmation.
        found: What is promoted, and what the pick was compared with.
        rules: What they were judged by.
        pick: What the sweep calls its pick, such as ``"knee"``.
    """
    return _Sentence(look, found, rules, pick).text()


class _Sentence:
    """The words for what was found."""

    def __init__(self, look: Look, found: Promotion, rules: Rules, pick: str) -> None:
        self.look, self.found, self.rules = look, found, rules
        trial = found.pick.trial
        self.pick = pick
        self.label = pick if trial is None else f"{pick} (trial {trial})"
        same = found.pick if found.pick.role == "baseline" else found.same
        if same is not None:
            self.label += f", which is {called(same)},"
        self.names = {each.name: called(each) for each in look.contestants}
        self.fixed = {each.name for each in look.contestants if each.method is None}

    def text(self) -> str:
        found = self.found
        against = list(found.comparisons.values())
        if not against:
            return self.alone()
        if found.promoted.name != found.pick.name:
            return self.replaced()
        ahead = [c for c in against if c.any(Standing.BETTER)]
        if found.unbeaten:
            simple = found.same is not None or found.pick.role == "baseline"
            return self.unbeaten("the simplest of them" if simple else SCATTERED)
        if ahead:
            return self.won(ahead)
        if any(c.judged for c in against):
            return self.won_nothing([c for c in against if c.judged])
        return (
            f"{self.label} could not be judged: too few seeds are left that it and a baseline "
            f"have in common. Promoted all the same: {self.pick}."
        )

    def alone(self) -> str:
        """What is said without a baseline: how good the pick is."""
        shown = []
        for metric in self.rules.objectives:
            of = interval(self.look, self.found.pick.name, metric, self.rules.data)
            ends = f" ({of.low:.4g} to {of.high:.4g})" if of.n > 1 else ""
            shown.append(f"{metric} {of.mean:.4g}{ends}")
        return f"{self.label} met no baseline; it has {', '.join(shown)}{self.where([])}."

    def replaced(self) -> str:
        """What is said where a baseline is promoted."""
        found = self.found
        new = found.promoted.name
        against = found.comparisons[new]
        mine, its = self.look.diverged(found.pick.name), self.look.diverged(new)
        if mine > its:
            return (
                f"{self.label} diverged from {mine} of {len(self.look.seeds)} seeds, "
                f"{self.names[new]} from {its}; promoted: {self.names[new]}."
            )
        others = [name for name in (*found.unbeaten, *found.adaptive) if name != new]
        nor = f", nor than {listed([self.names[name] for name in others])}" if others else ""
        if against.beaten:
            said = f"is {self.effects(against)}{nor and f'; no better{nor[5:]} within noise'}"
        else:
            said = f"is no better than {self.names[new]} within noise{nor}"
        ways = [found.comparisons[name] for name in (new, *others)]
        simpler = "" if against.beaten else ", the simpler choice"
        return f"{self.label} {said}{self.where(ways)}; promoted: {self.names[new]}{simpler}."

    def unbeaten(self, why: str) -> str:
        """What is said of a pick that is promoted although it is not better than some baselines."""
        others = [*self.found.unbeaten, *self.found.adaptive]
        names = listed([self.names[name] for name in others])
        where = self.where([self.found.comparisons[name] for name in others])
        return (
            f"{self.label} is no better than {names} within noise{where}; promoted all the same: "
            f"{self.pick}, {why}."
        )

    def won(self, ahead: Sequence[Comparison]) -> str:
        """What is said of a pick that is better than a baseline, and that none stands against."""
        reference = self.reference(ahead)
        said = f"{self.label} is {self.effects(reference)}{self.where([reference])}."
        fixed = [name for name in self.found.comparisons if name in self.fixed]
        if len(fixed) > 1 and {c.other for c in ahead} >= set(fixed):
            said += f" Of {len(fixed)} fixed baselines none is as good in all objectives."
        return f"{said} {self.adaptive()}".rstrip()

    def won_nothing(self, against: Sequence[Comparison]) -> str:
        """What is said of a pick that beats nothing, where no baseline can be promoted for it."""
        if all(c.other in self.found.adaptive for c in against):
            return f"{self.label} {self.adaptive(self.where(against), first=True)}"
        others = listed([self.names[c.other] for c in against])
        return (
            f"{self.label} is no better than {others} within noise{self.where(against)}; promoted "
            f"all the same: {self.pick}, since these diverged, miss what the sweep asks for, or "
            f"are no fixed sets."
        )

    def adaptive(self, where: str = "", *, first: bool = False) -> str:
        """What is said of adaptive methods that the pick is not better than."""
        against = [self.found.comparisons[name] for name in self.found.adaptive]
        if not against:
            return ""
        lost = [c for c in against if c.beaten]
        alike = [self.names[c.other] for c in against if not c.beaten]
        parts = []
        if alike:
            is_no = "is no" if first else "It is no"
            parts.append(f"{is_no} better than {listed(alike)} within noise")
        for of in lost:
            begin = "" if alike or not first else "loses: "
            how = [
                by_how_much(metric, effect)
                for metric, effect in of.effects.items()
                if effect.standing is Standing.WORSE
            ]
            parts.append(f"{begin}{self.names[of.other]} beats it by {' and by '.join(how)}")
        return f"{'; '.join(parts)}{where}; promoted all the same: {self.pick}, a fixed set."

    def effects(self, of: Comparison) -> str:
        """What the pick is against another, objective by objective."""
        better, worse, rest = [], [], []
        for metric, effect in of.effects.items():
            if effect.standing is Standing.BETTER:
                better.append(by_how_much(metric, effect))
            elif effect.standing is Standing.WORSE:
                worse.append(by_how_much(metric, effect))
            elif effect.standing is Standing.ALIKE:
                rest.append(within(metric, effect, self.rules.min_effect))
            else:
                rest.append(f"not judged in {metric}")
        name = self.names[of.other]
        if better:
            first = f"better than {name} by {' and by '.join(better)}"
            lost = [f"worse by {' and by '.join(worse)}"] if worse else []
        else:
            first, lost = f"worse than {name} by {' and by '.join(worse)}", []
        return ", ".join([first, *lost, *rest])

    def reference(self, ahead: Sequence[Comparison]) -> Comparison:
        """The baseline to name: today's weights, else equal ones, else the best that is fixed."""
        by_name = {c.other: c for c in ahead}
        today = [name for name in by_name if name == "today" or name.startswith("today-")]
        for name in (*today, "equal"):
            if name in by_name:
                return by_name[name]
        metric = next(iter(self.rules.objectives))
        fixed = [c for c in ahead if c.other in self.fixed] or list(ahead)
        return min(fixed, key=lambda c: c.effects[metric].gain.mean)

    def where(self, against: Sequence[Comparison]) -> str:
        """On which data it was judged, and over how many seeds."""
        data = "test data" if self.rules.data == "test" else "validation data"
        seeds = {effect.gain.n for of in against for effect in of.effects.values()} - {0, 1}
        seeds = seeds or {len(self.look.seeds)}
        number = " to ".join(str(n) for n in sorted({min(seeds), max(seeds)}))
        plural = "seed" if number == "1" else "paired seeds" if against else "seeds"
        again = f" looked at for the {_ordinal(self.look.number)} time" * (self.look.number > 1)
        return f", on {data}{again} over {number} {plural}"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
