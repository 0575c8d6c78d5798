"""The weight sets that sweeps save below a root: where they are, and how they are loaded."""

from __future__ import annotations

import warnings
from pathlib import Path

from lossweights.base.errors import SweepNotFound
from lossweights.base.files import inside
from lossweights.base.names import check_name
from lossweights.loss.weight_set import WeightSet

WARNING = "warning"  # in the origin of a weight set: what whoever loads it is warned of


def promoted_path(root: Path, name: str) -> Path:
    """The file of the weight set that a sweep promotes."""
    return inside(root, "weights", f"{check_name(name, 'sweep')}.json")


def pick_path(root: Path, name: str, pick: str) -> Path:
    """The file of a saved pick: ``min:rmse`` is kept as ``min-rmse.json``."""
    slug = "-".join(check_name(part, "pick") for part in pick.split(":"))
    return inside(root, "weights", check_name(name, "sweep"), f"{slug}.json")


def model_path(root: Path, name: str, pick: str = "knee") -> Path:
    """The file of the winner's trained model; of a sweep with a wish it is ``wish.keras``."""
    return pick_path(root, name, pick).with_suffix(".keras")


def load(name: str | Path, root: str | Path = "mlruns") -> WeightSet:
    """A weight set by name or from a file; no code runs, whatever the file holds.

    Args:
        name: ``"bike-demand"`` for the promoted set of a sweep, ``"bike-demand@knee"`` or
            ``"bike-demand@min:rmse"`` for a saved pick, or the path of a JSON file.
        root: Folder of the sweeps.

    A set of a sweep that learned nothing says so in a `UserWarning`. Such a sweep promotes none;
    its name alone then gives its knee.

    Raises:
        SweepNotFound: There is no such set; the message lists those there are.
        WeightSetError: The file is damaged.
    """
    weights = _read(str(name), Path(root))
    if WARNING in weights.origin:
        warnings.warn(f"{weights.name or name}: {weights.origin[WARNING]}", stacklevel=2)
    return weights


def _read(text: str, root: Path) -> WeightSet:
    """The weight set that a name or a path means."""
    if text.endswith(".json"):
        return WeightSet.read(text)
    sweep, _, pick = text.partition("@")
    path = pick_path(root, sweep, pick) if pick else promoted_path(root, sweep)
    if not pick and not path.exists():
        path = pick_path(root, sweep, "knee")
    if not path.exists():
        raise SweepNotFound(
            f"Expected a weight set {text!r} in {root}. Found {_saved_sets(root) or 'none'}. "
            f"Check the name and the root, or save a pick with `lossweights best`."
        )
    return WeightSet.read(path)


def _saved_sets(root: Path) -> list[str]:
    folder = root / "weights"
    promoted = [path.stem for path in folder.glob("*.json")]
    picks = [f"{path.parent.name}@{path.stem}" for path in folder.glob("*/*.json")]
    return sorted(promoted + picks)
