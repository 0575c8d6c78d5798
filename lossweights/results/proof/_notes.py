"""What is to be known of a confirmation beside its sentence: who is missing where, and why."""

from __future__ import annotations

from lossweights.base.numbers import plainly
from lossweights.records import Outcome
from lossweights.results.proof._look import Look
from lossweights.results.proof._words import called


def notes_on(look: Look) -> list[str]:
    """A sentence for each contestant that did not train, or was not measured, from all seeds."""
    said = [_second(look)] if look.number > 1 else []
    seeds = len(look.seeds)
    for each in look.contestants:
        diverged, failed = look.diverged(each.name), look.ended(each.name, Outcome.FAILED)
        complete = look.ended(each.name, Outcome.COMPLETE)
        left = f"its numbers are those of the other {complete}" if complete else "it has no numbers"
        if diverged:
            said.append(f"{called(each)} diverged from {diverged} of {seeds} seeds; {left}.")
        if failed:
            left = f"{complete} are left" if complete else "none is left"
            said.append(f"{called(each)}: {failed} of {seeds} trainings failed; {left}.")
        for data in ("test", "val"):
            for metric in look.metrics(data):
                missing = complete - len(look.values(each.name, metric, data))
                if missing:
                    where = "test" if data == "test" else "validation"
                    said.append(
                        f"{called(each)}: {metric} is undefined on {where} data in {missing} of "
                        f"{seeds} trainings, which are left out there."
                    )
    return said


def _second(look: Look) -> str:
    level = plainly(100 * 0.05 / 2 ** (look.number - 1))
    return (
        f"This is look {look.number} at the same test data. The more looks, the likelier one is "
        f"lucky; so what is claimed here is held to {level} % instead of 5 %."
    )
