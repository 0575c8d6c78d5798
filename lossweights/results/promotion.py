"""Which weight set of a sweep is the promoted one: the sweep says so, or a person does.

The promoted set is one file, written whole or not at all, and it holds the history of promotions
itself. Writers take turns, so that of two who promote at once one comes after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossweights.base.errors import InvalidName, PickError, StoreError, WeightSetError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.locks import waited_for_lock
from lossweights.results.weights import pick_path, promoted_path

BY_ITSELF = "as the sweep itself promotes"


@dataclass(frozen=True)
class Promoted:
    """Which pick of a sweep is promoted, and who says so.

    Attributes:
        pick: The pick; its set is what the name of the sweep loads.
        by_hand: Whether a person promoted it; then it stays so.
        at: When a person last promoted, ISO 8601; empty if nobody ever did.
        why: The reason, likewise.
    """

    pick: str
    by_hand: bool = False
    at: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.pick}, by hand on {self.at[:10]}: {self.why}" if self.by_hand else self.pick


_LOCK = "promoted.lock"
_LONGEST = 1000  # characters of a reason
_MOST = 100  # promotions that are kept


def promote(result: Any, pick: str | None, why: str) -> WeightSet:
    """Promote a pick of a sweep by hand: the set that its name alone loads from now on.

    It stays so when the sweep is resumed or confirmed.

    Args:
        result: The `lossweights.results.result.SweepResult`.
        pick: The pick, or ``None`` to give the choice back to the sweep.
        why: Why, for the history.

    Raises:
        PickError: There is no such pick, or no reason is given for one.
        StoreError: The file cannot be written.
    """
    reason = " ".join(why.split())
    if pick is not None and not reason:
        raise PickError(
            f"Expected a reason for promoting {pick!r}, which stands in the history. Found none. "
            f"Say it: --why 'best on the data of May'."
        )
    chosen = result.best(result.first_pick if pick is None else pick)
    if pick is None:
        reason = f"{BY_ITSELF}; {reason}" if reason else BY_ITSELF
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"at": now, "pick": str(chosen.origin["pick"]), "why": reason[:_LONGEST]}
    with promoting(result.root, result.name):
        history = [*history_of(result.root, result.name)] or _first(result, now)
        promoted = with_history(chosen, [*history, entry][-_MOST:])
        promoted.save(promoted_path(result.root, result.name))
    return promoted


def promoted_now(root: Path, name: str) -> Promoted | None:
    """What is promoted, or ``None`` if nothing is, or if its file does not say what."""
    promoted = _promoted(root, name)
    pick = None if promoted is None else promoted.origin.get("pick")
    if promoted is None or not isinstance(pick, str):
        return None
    history = promoted.provenance.promotions
    if not history:
        return Promoted(pick)
    return Promoted(pick, is_by_hand(history), history[-1]["at"], history[-1]["why"])


def set_by_hand(root: Path, name: str) -> WeightSet | None:
    """The set that a person promoted; ``None`` where the sweep itself says what is promoted."""
    promoted = _promoted(root, name)
    by_hand = promoted is not None and is_by_hand(promoted.provenance.promotions)
    return promoted if by_hand else None


def promoted_set(result: Any) -> WeightSet:
    """The set that a sweep promotes now: what a person promoted, or what it would save itself.

    Args:
        result: The `lossweights.results.result.SweepResult`.

    Raises:
        PickError: No trial is complete.
    """
    by_hand = set_by_hand(result.root, result.name)
    return result.best(result.first_pick) if by_hand is None else by_hand


def history_of(root: Path, name: str) -> tuple[Mapping[str, str], ...]:
    """The promotions so far, if a person ever promoted; of a damaged file nothing is known."""
    promoted = _promoted(root, name)
    return () if promoted is None else tuple(promoted.provenance.promotions)


def is_by_hand(history: Sequence[Mapping[str, str]]) -> bool:
    """Whether a person promoted what is promoted now."""
    return bool(history) and not history[-1]["why"].startswith(BY_ITSELF)


def with_history(weights: WeightSet, history: Sequence[Mapping[str, str]]) -> WeightSet:
    """A set that says what was promoted before it."""
    provenance = replace(weights.provenance, promotions=tuple(history))
    return replace(weights, provenance=provenance, recorded=True)


@contextmanager
def promoting(root: Path, name: str) -> Iterator[None]:
    """Have the promoted set of a sweep alone; others wait, for as long as files are written.

    Raises:
        StoreError: The folder cannot be written.
    """
    path = pick_path(root, name, "knee").with_name(_LOCK)
    try:
        with waited_for_lock(path):
            yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error}. Check the disk and its rights.") from error


def _promoted(root: Path, name: str) -> WeightSet | None:
    try:
        path = promoted_path(root, name)
        return WeightSet.read(path) if path.exists() else None
    except (InvalidName, WeightSetError):  # a result that was renamed in code has none
        return None


def _first(result: Any, now: str) -> list[Mapping[str, str]]:
    """The beginning of a history: what the sweep itself has promoted."""
    before = promoted_now(result.root, result.name)
    return [] if before is None else [{"at": now, "pick": before.pick, "why": BY_ITSELF}]
