"""Makes the pictures of docs/dominance.md from a real sweep, and prints the numbers it quotes.

    python docs/make_dominance_figures.py --root /tmp/dominance --trials 48

runs ``sweeps/bike_demand.py`` below the root unless it was run there before, reads its results, and
trains its model once more under a `TermMonitor`.
"""

import argparse
import os
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from _pictures import save_svg
from matplotlib.ticker import MaxNLocator

from lossweights.base.errors import SweepNotFound
from lossweights.base.palette import OKABE_ITO
from lossweights.dominance.shares import as_fractions, decreases, shares
from lossweights.dominance.sweep_verdict import SweepVerdict
from lossweights.results.result import SweepResult
from lossweights.watch.monitor import TermMonitor

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
SWEEPS = DOCS.parent / "sweeps"
ARTICLE = {"mse": 1.0, "under": 1.0, "boundary": 0.2}
EVERY_MARK: dict[str, Any] = {"s": 14, "alpha": 0.75, "linewidths": 0}


def main() -> None:
    """Run or read the sweep, draw, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the sweep's results")
    parser.add_argument("--trials", type=int, default=48)
    options = parser.parse_args()
    sys.path.insert(0, str(SWEEPS))
    from bike_demand import sweep

    try:
        result = SweepResult.read(sweep.name, options.root)
    except SweepNotFound:
        result = sweep.run(options.trials, root=options.root, tracking=False)
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    IMAGES.mkdir(exist_ok=True)
    verdict = result.sweep_verdict
    print(f"{verdict.paragraph}\n")
    draw_one_training(result, result.best_number("knee"))
    draw_size_and_drive(result)
    draw_flips(result, verdict)
    watch(sweep)


def save(figure: Any, name: str) -> None:
    """Write an SVG that is the same for the same numbers."""
    save_svg(figure, IMAGES / name)
    plt.close(figure)


def draw_one_training(result: SweepResult, number: int) -> None:
    """Size and drive of each term over the epochs of one trial."""
    trial = result.finished[number].result
    names = list(trial.weights)
    w, rows = np.array(list(trial.weights.values())), trial.magnitudes("train")
    so_far = np.cumsum(decreases(w, rows), axis=0)
    epochs = [report.epoch for report in trial.reports]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    left.stackplot(epochs, shares(w, rows).T, labels=names, colors=OKABE_ITO)
    left.set(title="Share of the weighted loss: what is left", ylabel="part", xlabel="epoch",
             ylim=(0, 1), xlim=(0, epochs[-1]))  # fmt: skip
    for name, colour, column in zip(names, OKABE_ITO, so_far.T, strict=False):
        right.plot(epochs[1:], column / so_far.sum(axis=1), color=colour, label=name, linewidth=2)
    right.axhline(0.5, color="#999999", linewidth=0.8, linestyle=":")
    right.set(title="Decrease share so far: what drives", xlabel="epoch", ylim=(-0.05, 1),
              xlim=(0, epochs[-1]))  # fmt: skip
    right.legend(frameon=False)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    save(figure, "dominance-one-training.svg")
    print(f"trial {number}: {result.verdicts[number].paragraph}\n")


def draw_size_and_drive(result: SweepResult) -> None:
    """Every term of every trial by its share at the end and its decrease share."""
    figure, axes = plt.subplots(figsize=(4.2, 3.4), layout="constrained")
    gaps = []
    for name, colour in zip(result.terms, OKABE_ITO, strict=False):
        told = [v for v in result.verdicts.values() if not v.undetermined]
        x, y = np.array([(v.share[name], v.decrease[name]) for v in told]).T
        gaps.append(np.abs(x - y))
        axes.scatter(x, y, color=colour, label=name, **EVERY_MARK)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    axes.set(
        xlabel="share of the weighted loss at the end", ylabel="decrease share", ylim=(-0.1, 1.05)
    )
    axes.legend(frameon=False)
    save(figure, "dominance-size-and-drive.svg")
    largest = np.argmax(np.stack(gaps), axis=0)
    wrong = np.mean([
        max(v.share, key=lambda n: v.share[n]) != max(v.decrease, key=lambda n: v.decrease[n])
        for v in told
    ])  # fmt: skip
    print(f"largest term at the end is not the one that supplied most: {wrong:.0%} of trials")
    print(f"median of the largest gap: {np.median(np.max(np.stack(gaps), axis=0)):.2f}")
    print(f"term with the largest gap: {np.bincount(largest).tolist()} of {list(result.terms)}\n")


def draw_flips(result: SweepResult, verdict: SweepVerdict) -> None:
    """For each pair the part of the second term over the ratio of the weights."""
    pairs = list(combinations(result.terms, 2))
    figure, panels = plt.subplots(
        1, len(pairs), figsize=(8, 2.6), layout="constrained", sharey=True
    )
    scales = result.scales or dict.fromkeys(result.terms, 1.0)
    for axes, (a, b), flip in zip(panels, pairs, verdict.flips, strict=True):
        trials = [
            (result.finished[n].result.weights, v.decrease) for n, v in result.verdicts.items()
        ]
        ratio = [w[b] * scales[b] / (w[a] * scales[a]) for w, _ in trials]
        part = [as_fractions(np.maximum([d[a], d[b]], 0))[1] for _, d in trials]
        axes.scatter(ratio, part, color=OKABE_ITO[0], **EVERY_MARK)
        axes.set(xscale="log", title=f"{b} against {a}", xlabel=f"weight of {b} / weight of {a}")
        axes.axhline(0.5, color="#999999", linewidth=0.8, linestyle=":")
        if flip.ratio is not None:
            axes.axvline(flip.ratio, color=OKABE_ITO[5])
            axes.axvspan(flip.low, flip.high, color=OKABE_ITO[5], alpha=0.2, linewidth=0)
            axes.text(flip.ratio, 0.02, f"  {flip.ratio:.2g}", color=OKABE_ITO[5])
    panels[0].set_ylabel("part of the second term")
    save(figure, "dominance-flips.svg")


def watch(sweep: Any) -> None:
    """One training of the sweep's model under a monitor, at the weights of the article."""
    import keras

    import lossweights as lw

    data, problem = sweep.load_data(), sweep.problem
    loss = lw.CombinedLoss(problem.terms, ARTICLE, scales="data")
    loss.adapt(data.train.y)
    model = problem.make_model(0)
    model.compile(problem.make_optimizer(), loss=loss)
    monitor = TermMonitor(
        loss, (data.train.x, data.train.y), validation=(data.val.x, data.val.y), budget=None
    )
    keras.utils.set_random_seed(0)
    model.fit(data.train.x, data.train.y, epochs=problem.epochs, batch_size=problem.batch_size,
              verbose=0, callbacks=[monitor])  # fmt: skip
    print(f"watched: {monitor.verdict.paragraph}")
    print(f"contributions {monitor.verdict.contribution}, cosines {monitor.verdict.cosines}")


if __name__ == "__main__":
    main()
