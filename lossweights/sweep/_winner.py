"""The winner: the picked weight set trained once more, tested once, and kept as a plain model."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from lossweights.base.files import write_atomic
from lossweights.data import Data
from lossweights.results.folder import Finished
from lossweights.training import FitTrainer, Member

log = logging.getLogger("lossweights")


@dataclass(frozen=True)
class Winner:
    """The trained winner.

    Attributes:
        path: The saved model, or ``None`` if its architecture cannot be written.
        test: Metrics on the test data, empty if there are none.
    """

    path: Path | None
    test: Mapping[str, float]


def train_winner(trainer: FitTrainer, data: Data, best: Finished, path: Path) -> Winner:
    """Train the weights of a trial again, from its seed, save the model and test it.

    The file holds architecture and parameters alone, uncompiled, so that
    ``keras.models.load_model(path)`` needs nothing of this package. The test data are looked at
    here and nowhere else in a sweep.

    Args:
        trainer: Trains the problem.
        data: The data of the problem.
        best: The trial that the sweep picked.
        path: File to write, ending in ``.keras``.
    """
    trainer.train([Member(best.result.weights, best.result.seed)], lambda *_: True)
    plain = _uncompiled(trainer.model)
    if plain is not None:
        _save(plain, path)
    test = {} if data.test is None else trainer.measure_on(data.test).metrics
    return Winner(None if plain is None else path, test)


def _uncompiled(model: keras.Model) -> keras.Model | None:
    """A copy without optimizer and loss, or ``None`` for a model that has no configuration."""
    try:
        copy = type(model).from_config(model.get_config())
        copy.set_weights(model.get_weights())
    except Exception as error:  # subclassed models may raise anything here
        log.warning("the winner is not saved, its model cannot be copied: %s", error)
        return None
    return copy


def _save(model: keras.Model, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / path.name
        model.save(temporary)
        write_atomic(path, temporary.read_bytes())
