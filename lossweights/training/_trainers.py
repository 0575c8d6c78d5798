"""The trainers of a sweep, and the choice of how its trials are trained fastest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from lossweights.base.machine import available_cores, free_bytes
from lossweights.base.versions import versions
from lossweights.data import Data, Stream
from lossweights.foreign.keras_names import layers_of
from lossweights.training._auto import choose_trainer, most_at_once
from lossweights.training._candidates import Candidates
from lossweights.training._contract import Member, Trainer
from lossweights.training._fit import FitTrainer
from lossweights.training._kept_rates import KeptRates
from lossweights.training._replicas import ReplicatedTrainer
from lossweights.training._setup import SetupRequest, TrainingSetup
from lossweights.training._sizes import power_of_two
from lossweights.training.problem import Problem

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
        description: What describes the problem, for finding what was measured of it before.
    """

    def __init__(
        self,
        problem: Problem,
        data: Data,
        seeds: int = 1,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        self._data, self._seeds, self._description = data, seeds, dict(description or {})
        self._candidates = Candidates(problem, data)

    def make(self, name: str, members: int | None = None) -> Trainer:
        """The trainer of that name, for so many members at once and for all seeds of each."""
        trainer = self._candidates.get(name, members)
        return trainer if self._seeds == 1 else ReplicatedTrainer(trainer, self._seeds)

    @property
    def fit(self) -> FitTrainer:
        """The reference trainer, which trains the winner too."""
        return self._candidates.fit

    def trained(self, name: str, member: Member, copies: int = 1) -> keras.Model:
        """A model as one training ends with it, made by ``build_model`` and not compiled.

        Args:
            name: Name of the trainer.
            member: What is trained, from its own seed alone.
            copies: How many of it are trained side by side where the trainer stacks: rounding
                depends on that.

        Raises:
            NotStackable: Only `model.fit` trains the problem rightly.
            LookupError: The training came to no end.
        """
        trainer = self._candidates.get(name, max(copies, 1) if name == "stacked" else None)
        trainer.train([member] * trainer.capacity, lambda *_: True)
        problem, example = self._candidates.problem, self._data.train.head(1).x
        model = problem.make_model(member.seed, x=example)
        model.set_weights(trainer.parameters(0))
        return model

    def choose(self, request: SetupRequest) -> TrainingSetup:
        """What trains the trials of a sweep fastest: which trainer, where, and how many at once.

        Operations as small as those of most models that are swept keep one core busy and hardly
        two; a worker a core trains half as fast again, if there are trials enough to pay for
        starting it. Workers share the members that the whole machine trains best at once, as they
        share its cache.
        """
        candidates, workers = self._candidates, request.workers
        chosen = choose_trainer(
            candidates, request.trainer, request.trials, lambda: KeptRates(self._subject(request))
        )
        if workers is None:
            workers = max(self._workers(chosen.cached, request.trials), request.least)
        # The winner is trained here; what workers train takes memory there.
        candidates.keep("fit", *([] if workers else [chosen.name]))
        return TrainingSetup(
            trainer=chosen.name,
            workers=workers,
            members=power_of_two(chosen.members / max(workers, 1)),
            why=chosen.why,
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

    def _subject(self, request: SetupRequest) -> dict[str, Any]:
        """All that decides what is timed and how long it takes, but for the processor."""
        train, model = self._data.train, self._candidates.model
        row = train.head(1)
        arrays = keras.tree.flatten([row.x, row.y, row.sample_weight])
        code, recipe = dict(self._description.get("code", {})), self._description.get("recipe", {})
        code.pop("metrics", None)
        return {
            "trainer": request.trainer,
            "most": most_at_once(request.trials),
            "terms": self._description.get("terms"),
            "code": code,
            "layers": [
                f"{type(layer).__module__}.{type(layer).__qualname__} {layer.compute_dtype}"
                for layer in layers_of(model)
            ],
            "parameters": [[list(v.shape), str(v.dtype)] for v in model.weights],
            "optimizer": recipe.get("optimizer"),
            "batch_size": recipe.get("batch_size"),
            "rows": [[list(a.shape[1:]), str(a.dtype)] for a in arrays if a is not None],
            "streamed": isinstance(train, Stream),
            "versions": versions(),
            "gpus": _gpus(),
        }


def _gpus() -> list[str]:
    """The GPUs, by name where TensorFlow knows it."""
    details = tf.config.experimental.get_device_details
    devices = tf.config.list_physical_devices("GPU")
    return [str(details(device).get("device_name", device)) for device in devices]
