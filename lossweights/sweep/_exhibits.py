"""What only MLflow is given: tables it previews, pictures, and the winner as it saves models."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from lossweights.base.files import write_all
from lossweights.data import Data, Split
from lossweights.results.result import SweepResult
from lossweights.tracking import save_model

MODEL = "model"


def write_tables(result: SweepResult, folder: Path) -> Path:
    """Write what a sweep has of tables as CSV files; their folder.

    Raises:
        StoreError: They cannot be written.
    """
    tables = {
        "trials": result.trials,
        "front": result.pareto,
        "baselines": result.baselines,
        "confirmation": result.confirmation,
    }
    kept = {name: table for name, table in tables.items() if not table.empty}
    return _filled(
        folder / "tables",
        {f"{name}.csv": table.to_csv(index=False).encode() for name, table in kept.items()},
    )


def write_figures(result: SweepResult, folder: Path) -> Path:
    """Draw the pictures of a sweep as PNG files; their folder.

    Raises:
        StoreError: They cannot be written.
    """
    from lossweights.figures.still import draw_still

    plot = result.plot
    drawn = {}
    if not plot.scene.complete.empty:
        drawn = {
            name: getattr(plot, name)()
            for name in ("front", "weights", "drive", "importance", "curves", "what_if")
        }
    return _filled(
        folder / "figures",
        {f"{name}.png": draw_still(figure) for name, figure in drawn.items() if figure.data},
    )


def _filled(folder: Path, contents: dict[str, bytes]) -> Path:
    """A folder that holds these files and no earlier ones."""
    for path in folder.glob("*"):
        if path.name not in contents:
            path.unlink()
    if contents:
        write_all({folder / name: content for name, content in contents.items()})
    return folder


def write_model(model: Any, data: Data, result: SweepResult, folder: Path) -> Path:
    """Save the winner as MLflow saves models; its folder, which is there whole or not at all.

    Args:
        model: The winner.
        data: The data, for the example of its input.
        result: The result, whose promoted weight set goes with it.
        folder: The sweep folder.
    """
    sample = data.val if isinstance(data.val, Split) else data.train.sample
    with tempfile.TemporaryDirectory(dir=folder, prefix=".model-") as aside:
        made = save_model(model, Path(aside) / MODEL, result.best(result.first_pick), sample.x)
        if (folder / MODEL).exists():
            shutil.rmtree(folder / MODEL)
        made.replace(folder / MODEL)
    return folder / MODEL
