"""The weight sets that a sweep leaves: its picks, and the one that is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lossweights.base.files import remove_unfinished
from lossweights.loss.weight_set import WeightSet
from lossweights.results.promotion import history_of, is_by_hand, promoting, with_history
from lossweights.results.weights import pick_path, promoted_path


def save_sets(
    root: Path, name: str, sets: Mapping[str, WeightSet], promoted: str | None
) -> dict[str, Path]:
    """Save weight sets by pick, and promote one of them; paths by pick.

    Args:
        root: Folder of the sweeps.
        name: Name of the sweep.
        sets: The weight sets by pick.
        promoted: The pick to promote, or ``None`` for none; then no earlier set stays promoted.
            What a person promoted stays so in any case.
    """
    folder = pick_path(root, name, "knee").parent
    if not sets and not folder.exists():
        return {}
    with promoting(root, name):
        remove_unfinished(folder)
        paths = {pick: each.save(pick_path(root, name, pick)) for pick, each in sets.items()}
        history = history_of(root, name)
        if is_by_hand(history):
            return paths
        if promoted is None:
            promoted_path(root, name).unlink(missing_ok=True)
        elif promoted in sets:
            with_history(sets[promoted], history).save(promoted_path(root, name))
    return paths
