"""The trainers of a sweep, and the choice of how its trials are trained fastest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from lossweights.abstract import Choice
from lossweights.cores import available_cores
from lossweights.data import Data
from lossweights.manifest import versions
from lossweights.measured import load_rates, rates_key, save_rates
from lossweights.problem import Problem
from lossweights.rates import Rates
from lossweights.training import Candidates, FitTrainer, ReplicatedTrainer, Trainer, choose_trainer
from lossweights.training.sizes import free_bytes, power_of_two

# Below these, importing TensorFlow again costs more than a worker saves.
TRIALS_A_WORKER = 16
STACKS_TO_TRAIN = 4
# What a worker takes of the memory: TensorFlow with a small model, and the data.
WORKER_BYTES = 1 << 30
DATA_COPIES = 2  # as loaded, and as tensors


class Trainers:
    """The trainers of a problem, each built when it is first needed.

    Args:
        problem: What is to be trained.
        data: The data.
        seeds: From how many seeds each member is trained.
        parts: What describes the problem, for finding what was measured of it before.
    """

    def __init__(
        self, problem: Problem, data: Data, seeds: int = 1, parts: Mapping[str, Any] | None = None
    ) -> None:
        self._data, self._seeds, self._parts = data, seeds, dict(parts or {})
        self._candidates = Candidates(problem, data)

    def make(self, name: str, members: int | None = None) -> Trainer:
        """The trainer of that name, for so many members at once and for all seeds of each."""
        trainer = self._candidates.get(name, members)
        return trainer if self._seeds == 1 else ReplicatedTrainer(trainer, self._seeds)

    @property
    def fit(self) -> FitTrainer:
        """The reference trainer, which trains the winner too."""
        return self._candidates.fit

    def choose(
        self, name: str, trials: int, workers: int | None, kept: Mapping[str, Any] | None = None
    ) -> Choice:
        """What trains so many trials fastest: which trainer, where, and how many at once.

        Operations as small as those of most models that are swept keep one core busy and hardly
        two; a worker a core trains half as fast again, if there are trials enough to pay for
        starting it. Workers share the members that the whole machine trains best at once, as they
        share its cache.

        Args:
            name: Name of a trainer, or ``"auto"``.
            trials: How many trials the sweep has in all.
            workers: How many processes are to train, or ``None`` for the best number.
            kept: `Choice.rates` of an earlier run of this sweep.
        """
        key = rates_key(self._subject(name))
        known = _of_run(kept, key) or load_rates(key)
        chosen = choose_trainer(self._candidates, name, trials, known)
        if chosen.rates is not None and known is None:
            save_rates(key, chosen.rates)
        if workers is None:
            workers = self._workers(chosen.cached, trials)
        # The winner is trained here; what workers train takes memory there.
        self._candidates.keep("fit", *([] if workers else [chosen.name]))
        return Choice(
            trainer=chosen.name,
            workers=workers,
            members=power_of_two(chosen.members / max(workers, 1)),
            why=chosen.why,
            rates=None if chosen.rates is None else {"key": key, **chosen.rates.to_json()},
        )

    def _workers(self, cached: int, trials: int) -> int:
        """How many worker processes train so many trials faster than this process, or 0.

        Args:
            cached: How many members the cache holds; 1 for a trainer of one after another.
            trials: How many trials there are.
        """
        if _gpus():
            return 0  # a process takes all of its memory
        needed = WORKER_BYTES + DATA_COPIES * self._data.nbytes
        workers = min(available_cores(), free_bytes() // needed)
        enough = TRIALS_A_WORKER * workers if cached == 1 else STACKS_TO_TRAIN * cached
        return workers if workers > 1 and trials * self._seeds >= enough else 0

    def _subject(self, name: str) -> dict[str, Any]:
        """All that decides how long a training step takes, but for the processor."""
        recipe = self._parts.get("recipe", {})
        row = self._data.train.head(1)
        arrays = keras.tree.flatten(
            [part for part in (row.x, row.y, row.sample_weight) if part is not None]
        )
        code = dict(self._parts.get("code", {}))
        code.pop("metrics", None)
        return {
            "terms": self._parts.get("terms"),
            "code": code,
            "optimizer": recipe.get("optimizer"),
            "batch_size": recipe.get("batch_size"),
            "rows": [[list(array.shape[1:]), str(array.dtype)] for array in arrays],
            "trainer": name,
            "versions": versions(),
            "gpus": _gpus(),
        }


def _of_run(kept: Mapping[str, Any] | None, key: str) -> Rates | None:
    """What an earlier run of the sweep measured, if it was this problem on such a machine."""
    if not isinstance(kept, Mapping) or kept.get("key") != key:
        return None
    try:
        return Rates.from_json({name: value for name, value in kept.items() if name != "key"})
    except ValueError:
        return None


def _gpus() -> list[str]:
    """The GPUs, by name where TensorFlow knows it."""
    details = tf.config.experimental.get_device_details
    devices = tf.config.list_physical_devices("GPU")
    return [str(details(device).get("device_name", device)) for device in devices]
