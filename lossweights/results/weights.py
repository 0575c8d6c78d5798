"""The weight sets that sweeps save below a root: where they are, and how they are read."""

from __future__ import annotations

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
    return inside(root, "weights", check_name(name, "sweep"), pick_file(pick))


def pick_file(pick: str) -> str:
    """The name of the file of a saved pick."""
    slug = "-".join(check_name(part, "pick") for part in pick.split(":"))
    return f"{slug}.json"


def model_path(root: Path, name: str, pick: str = "knee") -> Path:
    """The file of the winner's trained model; of a sweep with a wish it is ``wish.keras``."""
    return pick_path(root, name, pick).with_suffix(".keras")


def saved_set(name: str, root: Path) -> WeightSet:
    """A saved weight set.

    Args:
        name: Name of a sweep, for what it promotes, or its knee if it promotes nothing; name and
            pick, ``"bike-demand@min:rmse"``; or the path of a JSON file.
        root: Folder of the sweeps.

    Raises:
        SweepNotFound: There is no such set; the message lists those there are.
        WeightSetError: The file is damaged.
    """
    if name.endswith(".json"):
        return WeightSet.read(name)
    sweep, _, pick = name.partition("@")
    path = pick_path(root, sweep, pick) if pick else promoted_path(root, sweep)
    if not pick and not path.exists():
        path = pick_path(root, sweep, "knee")
    if not path.exists():
        raise SweepNotFound(
            f"Expected a weight set {name!r} in {root}. Found {_saved_sets(root) or 'none'}. "
            f"Check the name and the root, or save a pick with `lossweights best`."
        )
    return WeightSet.read(path)


def _saved_sets(root: Path) -> list[str]:
    folder = root / "weights"
    promoted = [path.stem for path in folder.glob("*.json")]
    picks = [f"{path.parent.name}@{path.stem}" for path in folder.glob("*/*.json")]
    return sorted(promoted + picks)
