"""What `gpu.sh` runs: parity of the trainers on this device, then how fast each of them is there.

Parity is tested with products in full float32 (``NVIDIA_TF32_OVERRIDE=0``), since the promise is to
rounding; speed is measured as TensorFlow comes, for all alike. Data are drawn here in the shapes of
the sweeps, since a machine with a GPU may reach no network. What does not fit in the time or in the
memory is named in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "sweeps"), str(ROOT / "benchmarks/speed")]
SIZES = (8, 32, 128, 512, 1024)
TURNS, STEPS = 3, 20
MINUTES = 7.5
PARITY = "every_layer and (dense or normalization or attention or embedding or conv)"
PARITY_SMALL = "every_layer and stacked-dense"
PARITY_MINUTES = 3.0
TRIALS = 4096  # of the sweep for which a choice is made


@dataclass
class Results:
    """The file, written anew with everything that is found."""

    path: Path
    deadline: float
    found: dict[str, Any] = field(default_factory=dict)

    def put(self, *keys: str, value: Any) -> None:
        """Keep a value under nested names."""
        *parents, last = keys
        place = self.found
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
        self.path.write_text(json.dumps(self.found, indent=1) + "\n")
        print(f"{' '.join(keys)}: {value}", flush=True)

    def measure(self, *keys: str, what: Callable[[], Any]) -> None:
        """Keep what a function gives, or why there is nothing."""
        if time.monotonic() > self.deadline:
            self.put(*keys, value="out of time")
            return
        try:
            value = what()
        except Exception as error:  # a card that is too small ends in anything
            value = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        self.put(*keys, value=value)


def main() -> None:
    """Test, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--small", action="store_true", help="does it run?")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="when no more is begun")
    options = parser.parse_args()
    started = time.monotonic()
    results = Results(options.results, started + 60 * options.minutes)
    # Before this process takes anything of the card.
    results.put("parity", value=parity(small=options.small))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # what is timed of this machine is forgotten again
        measure_all(results, small=options.small)
    results.put("seconds", value=round(time.monotonic() - started, 1))


def parity(*, small: bool) -> dict[str, Any]:
    """How many tests of parity passed on this device, and what the others said."""
    command = [
        sys.executable, "-m", "pytest", "tests/contract/test_trainers.py", "--tb=line",
        "-p", "no:cacheprovider", "-k", PARITY_SMALL if small else PARITY,
    ]  # fmt: skip
    environment = os.environ | {"NVIDIA_TF32_OVERRIDE": "0"}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60 * PARITY_MINUTES,
        )
    except subprocess.TimeoutExpired as late:
        return {"code": None, "said": f"out of time: {(late.stdout or b'')[-500:]!r}"}
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    said = [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()[-40:]
    return {"code": done.returncode, **counts, "said": said}


def measure_all(results: Results, *, small: bool) -> None:
    """The device, then each net with each trainer."""
    import keras
    import tensorflow as tf
    from machine import matmul_rate

    from lossweights.base.machine import processor
    from lossweights.base.versions import versions
    from lossweights.foreign.devices import gpu_bytes

    cards = tf.config.get_visible_devices("GPU")
    details = [tf.config.experimental.get_device_details(card) for card in cards]
    names = [str(each.get("device_name", "GPU")) for each in details]
    results.put("device", value=", ".join(names) or f"no GPU: {processor()}")
    results.put("memory", value=gpu_bytes())
    results.put("versions", value=versions())
    results.measure("batched products, GFLOP/s", what=lambda: round(matmul_rate(), 1))
    for name, (sweep, data) in problems(small=small).items():
        measure_net(results, name, sweep.problem, data, small=small)
    sweep, data = problems(small=small)["transformer"]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        results.measure(
            "nets", "transformer", "fit, mixed_float16", what=partial(of_fit, sweep.problem, data)
        )
    finally:
        keras.config.set_dtype_policy(before)


def problems(*, small: bool) -> dict[str, Any]:
    """Sweeps with data of their shapes, by name."""
    import bike_demand
    import nets

    from lossweights.data import Data

    def drawn(rows: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(rows)
        x = rng.normal(size=(rows, 192)).astype("float32")
        return x, 100 * x[:, :24] + rng.normal(size=(rows, 24)).astype("float32")

    rows = 640 if small else 5977
    perceptron = Data(train=drawn(rows), val=drawn(rows // 5))
    unet = nets.load_images(32, 32 if small else 320)
    return {
        "perceptron": (bike_demand.sweep, perceptron),
        "unet": (nets.unet_32, unet),
        "transformer": (nets.transformer, nets.load_series()),
    }


def measure_net(results: Results, name: str, problem: Any, data: Any, *, small: bool) -> None:
    """Microseconds that a training step takes each member, by each way to train."""
    from lossweights.training import SerialTrainer, SetupRequest, StackedTrainer, Trainers

    results.put("nets", name, "rows a step", value=problem.batch_size)
    results.measure("nets", name, "fit", what=lambda: of_fit(problem, data))
    results.measure(
        "nets", name, "serial", what=lambda: least(SerialTrainer(problem, data).seconds_a_step)
    )
    trainer: list[StackedTrainer] = []

    def stacked(size: int) -> float:
        if not trainer:
            trainer.append(StackedTrainer(problem, data, size=size))
            results.put("nets", name, "form", value=str(trainer[0].form))
        trainer[0].give_up_stacks()  # one size at a time
        return least(partial(trainer[0].seconds_a_step, size=size)) / size

    for size in SIZES[:1] if small else SIZES:
        results.measure("nets", name, f"stack of {size}", what=partial(stacked, size))
        results.put("nets", name, f"memory with {size}", value=most_held())
    trainer.clear()
    if not small:
        request = SetupRequest("auto", TRIALS)
        results.measure(
            "nets", name, "chosen", what=lambda: str(Trainers(problem, data).choose(request))
        )


def of_fit(problem: Any, data: Any) -> float:
    """Of Keras' own graph."""
    from lossweights.training import FitTrainer

    return least(FitTrainer(problem, data).seconds_a_step)


def least(seconds_a_step: Callable[[int], float]) -> float:
    """Microseconds of a step, the least of a few turns; the first call compiles."""
    seconds_a_step(1)
    return round(1e6 * min(seconds_a_step(STEPS) for _ in range(TURNS)), 2)


def most_held() -> int | None:
    """The most bytes that a GPU has held since this was last asked."""
    import tensorflow as tf

    if not tf.config.get_visible_devices("GPU"):
        return None
    peak = int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    tf.config.experimental.reset_memory_stats("GPU:0")
    return peak


if __name__ == "__main__":
    main()
