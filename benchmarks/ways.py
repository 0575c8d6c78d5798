"""What a training step takes one member of each net, by each way to train it.

    python benchmarks/ways.py                      # all nets, some minutes
    taskset -c 0 python benchmarks/ways.py conv unet_32

The ways take turns, so that ratios of one net hold on a busy machine too. ``plain terms`` is one
after another as it would be without compiling what follows the model's outputs.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent / "speed"))
sys.path.insert(0, str(Path(__file__).parents[1] / "sweeps"))

import blob_masks
import nets

from lossweights.training import FitTrainer, NotStackable, SerialTrainer, StackedTrainer
from lossweights.training._stacked_gradients import Form
from lossweights.training._timing import SecondsAStep, time_in_turns

NETS = {
    "conv": blob_masks.sweep,
    "unet_32": nets.unet_32,
    "unet_64": nets.unet_64,
    "recurrent": nets.recurrent,
    "transformer": nets.transformer,
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", default=list(NETS), metavar="NET", help=", ".join(NETS))
    parser.add_argument("--stack", type=int, default=8, help="members of the stack")
    options = parser.parse_args()
    print("| net | way | ms a step | times fit |\n|---|---|---|---|")
    for net in options.nets:
        seconds = time_in_turns(ways(net, options.stack))
        for way, taken in seconds.items():
            members = options.stack if way.startswith("stack") else 1
            of_one = taken / members
            print(f"| {net} | {way} | {1e3 * of_one:.3g} | {seconds['fit'] / of_one:.2f} |")


def ways(net: str, members: int) -> dict[str, SecondsAStep]:
    """How to time each way to train a net."""
    problem, data = NETS[net].problem, NETS[net].load_data()
    found: dict[str, SecondsAStep] = {
        "fit": FitTrainer(problem, data).seconds_a_step,
        "one after another": SerialTrainer(problem, data).seconds_a_step,
        "plain terms": SerialTrainer(problem, data, form=Form("member", xla=False)).seconds_a_step,
    }
    try:
        stacked = StackedTrainer(problem, data, size=members)
    except NotStackable as error:
        print(f"{net} cannot be stacked: {error.reason}")
    else:
        found[f"stack of {members}"] = partial(stacked.seconds_a_step, size=members)
    return found


if __name__ == "__main__":
    main()
