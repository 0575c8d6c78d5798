"""Makes the pictures of docs/gallery.md from the real sweeps of sweeps/, and prints what it quotes.

    python docs/make_gallery.py --folder /tmp/gallery

runs each script in the folder unless it was run there before, one after another, which takes
minutes. Look at each picture before it is committed.
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageColor

from lossweights.base.errors import SweepNotFound
from lossweights.base.palette import OKABE_ITO
from lossweights.results.result import SweepResult

DOCS = Path(__file__).resolve().parent
IMAGES = DOCS / "images"
SWEEPS = DOCS.parent / "sweeps"
ALL = ["--baselines", "all", "--confirm", "5"]
FEW = ["--baselines", "equal", "--confirm", "3", "--trainer", "serial"]
RUNS = {  # the script, its result's name, and what is said on its command line
    "bike_demand": ("bike-all", ["--trials", "64", "--name", "bike-all", *ALL]),
    "flight_minutes": ("flight-minutes", ["--trials", "64", "--confirm", "5"]),
    "trading_days": ("trading-days", ["--trials", "64", "--confirm", "5"]),
    "coast_heights": ("coast-heights", ["--trials", "20", *FEW]),
    "nuclei": ("nuclei", ["--trials", "20", *FEW]),
    "blob_masks": ("blob-all", ["--trials", "48", "--name", "blob-all", *ALL]),
}
GREYS = ("#000000", "#999999", "#bbbbbb")
MARKS = "osD^"  # of terms, for who sees no colours


def main() -> None:
    """Run or read each sweep, draw its front, and print its sentences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the results are or go")
    parser.add_argument("--only", help="one script, without .py")
    options = parser.parse_args()
    mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    for script in [options.only] if options.only else RUNS:
        result = find(script, options.folder)
        draw(result, f"gallery-{script.replace('_', '-')}")
        print(f"\n## {script}: {result.sentence}\n{result.verdict}", *result.proof.notes, sep="\n")


def find(script: str, folder: Path) -> SweepResult:
    """The result of a script, which is run if it has none."""
    name, said = RUNS[script]
    try:
        return SweepResult.read(name, folder)
    except SweepNotFound:
        path = SWEEPS / f"{script}.py"
        command = [sys.executable, path, *said, "--no-tracking", "--root", folder]
        subprocess.run(command, check=True)
        return SweepResult.read(name, folder)


def draw(result: SweepResult, name: str) -> None:
    """Trials by two objectives in the colour of what drove them, the front, baselines, the knee."""
    across, up = list(result.objectives)[:2]
    trials = result.trials[result.trials["outcome"] == "COMPLETE"]
    front = result.pareto.sort_values(across)
    figure, axes = plt.subplots(figsize=(4.2, 2.5), layout="constrained")
    axes.plot(front[across], front[up], color="#999999", linewidth=1, zorder=1)
    drivers = trials["driver"].fillna("")
    for term, colour, mark in zip(result.terms, OKABE_ITO, MARKS, strict=False):
        driven = trials[drivers == term]
        axes.scatter(driven[across], driven[up], s=15, color=colour, marker=mark, linewidths=0,
                     label=f"driven by {term}", zorder=2)  # fmt: skip
    driven = trials[drivers == ""]
    axes.scatter(driven[across], driven[up], s=15, color=GREYS[2], marker="v", linewidths=0,
                 label="no single term", zorder=2)  # fmt: skip
    others = result.baselines
    axes.scatter(others[across], others[up], s=22, color="black", marker="x", linewidths=0.9,
                 label="baseline")  # fmt: skip
    knee = trials[trials["number"] == result.best_number("knee")]
    axes.scatter(knee[across], knee[up], s=90, facecolors="none", edgecolors="black", marker="*",
                 label="knee", zorder=3)  # fmt: skip
    axes.set(xlabel=f"{across}, {better(result, across)}", ylabel=f"{up}, {better(result, up)}",
             xlim=limits(result, trials, across), ylim=limits(result, trials, up))  # fmt: skip
    axes.legend(fontsize=7, frameon=False)
    save(figure, name)


def better(result: SweepResult, objective: str) -> str:
    """Which end of an axis is the good one."""
    return "less is better" if result.objectives[objective] == "minimize" else "more is better"


def limits(result: SweepResult, trials: Any, objective: str) -> tuple[float, float]:
    """The front and the better four of five trials; a few bad ones would squeeze the rest."""
    values, front = trials[objective], result.pareto[objective]
    worst = 0.8 if result.objectives[objective] == "minimize" else 0.2
    ends = [float(front.min()), float(front.max()), float(np.quantile(values, worst))]
    margin = 0.06 * (max(ends) - min(ends))
    return min(ends) - margin, max(ends) + margin


def save(figure: Any, name: str) -> None:
    """Write a picture without loss, of so few colours that it is small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    plt.close(figure)
    picture = Image.open(drawn).convert("RGB")
    picture = picture.quantize(palette=palette(), dither=Image.Dither.NONE).convert("RGB")
    path = IMAGES / f"{name}.webp"
    picture.save(path, lossless=True, quality=100, method=6)
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.1f} kB")


def palette() -> Image.Image:
    """White, and each colour with two tints for smooth edges."""
    colours = np.array([ImageColor.getrgb(each) for each in (*OKABE_ITO[: len(MARKS)], *GREYS)])
    tints = np.concatenate([255 - part * (255 - colours) for part in (1.0, 0.6, 0.3)])
    holder = Image.new("P", (1, 1))
    holder.putpalette([255, 255, 255, *tints.round().astype(int).ravel().tolist()])
    return holder


if __name__ == "__main__":
    main()
