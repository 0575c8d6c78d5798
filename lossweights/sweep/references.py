"""Weight sets by every kind of reference: a sweep, a pick, a file, a run or a model of MLflow."""

from __future__ import annotations

import warnings
from pathlib import Path

from lossweights.base.errors import InvalidName, SweepNotFound
from lossweights.loss.weight_set import WeightSet
from lossweights.results.weights import WARNING, saved_set

_IN_MLFLOW = ("runs:/", "models:/")


def load(
    name: str | Path, root: str | Path = "mlruns", *, tracking_uri: str | None = None
) -> WeightSet:
    """A weight set by name, from a file or from MLflow; no code runs, whatever the file holds.

    Args:
        name: ``"bike-demand"`` for the promoted set of a sweep; ``"bike-demand@knee"`` or any other
            pick, also one that was not saved, ``"bike-demand@min:rmse where shortfall<=5"``; the
            path of a JSON file; ``"runs:/ID"``, a run of MLflow, of a sweep or of a trial;
            ``"models:/bike-demand@champion"`` or ``"models:/bike-demand/3"``, the set behind a
            registered model.
        root: Folder of the sweeps.
        tracking_uri: Address of MLflow, for references to it; by default that of
            ``MLFLOW_TRACKING_URI``, or the store below the root.

    A set of a sweep that learned nothing says so in a `UserWarning`. Such a sweep promotes none;
    its name alone then gives its knee.

    Raises:
        SweepNotFound: There is no such set; the message lists those there are.
        PickError: The sweep has no such pick.
        WeightSetError: The file is damaged.
        TrackingError: MLflow cannot be read.
    """
    weights = find_set(name, Path(root), tracking_uri)
    if WARNING in weights.origin:
        warnings.warn(f"{weights.name or name}: {weights.origin[WARNING]}", stacklevel=2)
    return weights


def find_set(name: str | Path, root: Path, tracking_uri: str | None = None) -> WeightSet:
    """The weight set that a reference means; see `load`."""
    if isinstance(name, Path):
        return WeightSet.read(name)
    if name.startswith(_IN_MLFLOW):
        from lossweights.tracking import tracked_set

        return tracked_set(name, root, tracking_uri)
    try:
        return saved_set(name, root)
    except (SweepNotFound, InvalidName):
        from lossweights.results.folder import list_sweeps  # NumPy, which files do not need

        sweep, at, pick = name.partition("@")
        if not at or sweep not in list_sweeps(root):
            raise
    from lossweights.results.result import SweepResult  # pandas, likewise

    return SweepResult.read(sweep, root).best(pick)
