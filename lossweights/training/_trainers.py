"""The trainers of a sweep, and the choice of how its trials are trained fastest."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from lossweights.base.errors import RecipeError
from lossweights.base.graphics import visible_gpus
from lossweights.base.machine import available_cores
from lossweights.base.memory import free_bytes, held_bytes, said
from lossweights.base.versions import versions
from lossweights.data import Data, Folds, Split, Stream
from lossweights.data.shared import are_shared
from lossweights.foreign.keras_names import layers_of
from lossweights.training._auto import choose_trainer, likely_trainer, most_at_once
from lossweights.training._candidates import Candidates
from lossweights.training._contract import Member, Trainer
from lossweights.training._fit import FitTrainer, metrics_probe
from lossweights.training._kept_rates import KeptRates
from lossweights.training._replicas import ReplicatedTrainer
from lossweights.training._serial import SerialTrainer
from lossweights.training._setup import SetupRequest, TrainingSetup
from lossweights.training._sizes import power_of_two
from lossweights.training._stacked import StackedTrainer
from lossweights.training.estimate import TimeEstimate
from lossweights.training.problem import Problem
from lossweights.training.timing import seconds_a_step
from lossweights.watch.probe import Measurement

log = logging.getLogger("lossweights")

# Below these, importing TensorFlow again costs more than a worker saves.
TRIALS_A_WORKER = 16
STACKS_TO_TRAIN = 4
# What a worker takes of the memory: TensorFlow with a small model, the data, and training.
WORKER_BYTES = 1 << 30
DATA_COPIES = 2  # as loaded, and as tensors
# What training takes one at a time at most, in steps of a member: checks and the winner included.
# Measured with 200 MB of Dense parameters under Adam.
ALONE = 4


class Trainers:
    """The trainers of a problem, each built when it is first needed.

    Args:
        problem: What is to be trained.
        data: The data, or several folds of them, on each of which every member is trained. The last
            fold stands for them all.
        seeds: From how many seeds each member is trained.
        description: What describes the problem, for finding what was measured of it before.
        stats: What counts of several trainings, for metrics of which it is not the mean: one of
            `lossweights.records.STATISTICS` by name.
    """

    def __init__(
        self,
        problem: Problem,
        data: Data | Folds,
        seeds: int = 1,
        description: Mapping[str, Any] | None = None,
        stats: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        folds = list(data) if isinstance(data, Folds) else [data]
        self._data, self._seeds, self._description = folds[-1], seeds, dict(description or {})
        self._stats, self._whole = stats, data
        self._candidates = Candidates(problem, self._data)
        self._others = [Candidates(problem, fold, self._candidates) for fold in folds[:-1]]

    def on(self, data: Data | Folds) -> Trainers:
        """The trainers of the same problem on the same data that lie somewhere else."""
        problem, described = self._candidates.problem, self._description
        return Trainers(problem, data, self._seeds, described, self._stats)

    @property
    def _measured(self) -> list[Split]:
        """What is measured on; each process cuts it into chunks of its own."""
        folds = list(self._whole) if isinstance(self._whole, Folds) else [self._whole]
        return [part for fold in folds for part in (fold.val, fold.test) if part is not None]

    @property
    def _trainings(self) -> int:
        """Of each weight set."""
        return self._seeds * (1 + len(self._others))

    def make(self, name: str, members: int | None = None) -> Trainer:
        """The trainer of that name, for so many members at once, for all their seeds and folds."""
        trainer = self._candidates.get(name, members)
        if self._trainings == 1:
            return trainer
        others = [partial(_of_fold, candidates, name, members) for candidates in self._others]
        return ReplicatedTrainer(trainer, self._seeds, others=others, stats=self._stats)

    def measure_on(self, split: Split, model: keras.Model) -> Measurement:
        """Magnitudes and metrics of a model as it is."""
        problem = self._candidates.problem
        return metrics_probe(problem, problem.make_loss(), split, model).measure()

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
        parameters = trainer.parameters(0)
        del trainer
        if self._candidates.are_large:
            self._candidates.keep()
        return self.model_of(member, parameters)

    def model_of(self, member: Member, parameters: Sequence[NDArray[Any]]) -> keras.Model:
        """The model that a member trains, with parameters; made by ``build_model``, not compiled.

        Raises:
            ValueError: They are not of the shapes that its parameters have.
        """
        problem = self._candidates.problem.of(member.chosen)
        example = self._data.train.head(1).x
        model = problem.make_model(member.seed, x=example)
        model.set_weights(list(parameters))
        return model

    def choose(self, request: SetupRequest) -> TrainingSetup:
        """What trains the trials of a sweep fastest: which trainer, where, and how many at once.

        Operations as small as those of most models that are swept keep one core busy and hardly
        two; a worker a core trains half as fast again, if there are trials enough to pay for
        starting it. Workers share the members that the whole machine trains best at once, as they
        share its cache. Of several GPUs each has a worker, with members of its own as long as the
        sampler gets its turns.
        """
        candidates, workers = self._candidates, request.workers
        self._check_memory(request.memory)
        chosen = choose_trainer(
            candidates,
            request.trainer,
            request.trials,
            lambda: KeptRates(self._subject(request)),
            request.memory,
        )
        if workers is None:
            workers = max(self._workers(chosen.cached, request), request.least)
        # The winner is trained here; what workers train takes memory there.
        candidates.keep("fit", *([] if workers else [chosen.name]))
        return TrainingSetup(
            trainer=chosen.name,
            workers=workers,
            members=self._members(chosen.members, max(workers, 1), request.trials),
            why=chosen.why,
        )

    @staticmethod
    def _members(members: int, workers: int, trials: int) -> int:
        """How many of the members that are best at once each worker trains."""
        if len(_gpus()) > 1:
            return min(members, power_of_two(most_at_once(trials) / workers))
        return power_of_two(members / workers)

    def _check_memory(self, limit: int | None) -> None:
        """Refuse a limit below what training one at a time takes; warn where that is not free."""
        training, held = ALONE * self._candidates.member_bytes, held_bytes()
        if limit is not None and limit < held + training:
            raise RecipeError(
                f"Expected memory of at least {said(held + training)}, what this sweep takes with "
                f"one training at a time. Found {said(limit)}. Allow more, or make batch_size or "
                f"the model smaller."
            )
        if training > free_bytes():
            log.warning(
                "One training at a time takes about %s of memory, of which %s is free. If it runs "
                "out, make batch_size or the model smaller.", said(training), said(free_bytes())
            )  # fmt: skip

    def estimate(self, trials: int, epochs: int | None = None) -> TimeEstimate:
        """How long so many trials train in this process, from timing a few steps of a trainer.

        It is the trainer that a sweep would take as far as looking tells, or that which was the
        fastest when an earlier sweep timed them all; nothing is kept.

        Args:
            trials: How many trials.
            epochs: Passes of each over the training data; by default those of the problem.

        Raises:
            RecipeError: No step can be timed.
        """
        candidates, problem = self._candidates, self._candidates.problem
        kept = KeptRates(self._subject(SetupRequest("auto", trials)))
        chosen = likely_trainer(candidates, trials, kept)
        trainer = candidates.get(chosen.name, chosen.members if chosen.name == "stacked" else None)
        assert isinstance(trainer, FitTrainer | SerialTrainer | StackedTrainer)
        several = f", {chosen.members} members at once" if chosen.members > 1 else ""
        return TimeEstimate(
            trials=trials,
            epochs=problem.epochs if epochs is None else epochs,
            steps_per_epoch=problem.steps_per_epoch(len(self._data.train)),
            seconds_a_step=seconds_a_step(trainer.seconds_a_step) / chosen.members,
            seeds=self._seeds,
            folds=1 + len(self._others),
            how=f"{chosen.name}{several}",
        )

    def _workers(self, cached: int, request: SetupRequest) -> int:
        """How many worker processes train a sweep faster than this process, or 0.

        Args:
            cached: How many members the cache holds; 1 for a trainer of one after another.
            request: What was asked for.
        """
        gpus = len(_gpus())
        if gpus and not 1 < gpus == len(visible_gpus()):
            return 0  # one process keeps a card busy; and several have to be told apart by name
        needed, room = WORKER_BYTES + ALONE * self._candidates.member_bytes, free_bytes()
        if request.memory is not None:
            room = min(room, request.memory - held_bytes())
        if are_shared(self._whole):
            room -= self._whole.nbytes  # of a worker that loads
            needed += sum(split.nbytes for split in self._measured)
        else:
            needed += DATA_COPIES * self._whole.nbytes
        workers = max(min(gpus or available_cores(), room // needed), 0)
        one_by_one = gpus or cached == 1
        enough = TRIALS_A_WORKER * workers if one_by_one else STACKS_TO_TRAIN * cached
        return workers if workers > 1 and request.trials * self._trainings >= enough else 0

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


def _of_fold(candidates: Candidates, name: str, members: int | None) -> Trainer:
    """The trainer of a further fold, which of a large model is kept no longer than it is used."""
    trainer = candidates.get(name, members)
    if candidates.are_large:
        candidates.keep()
    return trainer


def _gpus() -> list[str]:
    """The GPUs, by name where TensorFlow knows it."""
    details = tf.config.experimental.get_device_details
    devices = tf.config.get_visible_devices("GPU")
    return [str(details(device).get("device_name", device)) for device in devices]
