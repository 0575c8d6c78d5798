"""`TermMonitor`: a Keras callback that watches the terms of a combined loss in any training."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from typing import Any

import keras
import pandas as pd
from keras import tree

from lossweights.base.errors import ModelError, TermError
from lossweights.base.names import MODEL
from lossweights.base.shown import paragraph
from lossweights.dominance.verdict import Verdict, listed
from lossweights.loss.combined import CombinedLoss
from lossweights.records import EpochReport
from lossweights.watch._budget import Overhead
from lossweights.watch._figure import draw
from lossweights.watch._instruments import Instruments, Settings
from lossweights.watch._training_record import TrainingRecord
from lossweights.watch.backends import require_tensorflow
from lossweights.watch.gradients import KINDS, Wrt
from lossweights.watch.in_force import InForce
from lossweights.watch.inference import build, own_training
from lossweights.watch.probe import as_arrays
from lossweights.watch.reading import Reading

UNBALANCED = 2.0  # a mean of the scales, or one over it, from which on a warning is due
DEFAULT_BATCH_ROWS = 32  # of Keras, where a training step of one's own does not count rows

log = logging.getLogger("lossweights")


class TermMonitor(keras.callbacks.Callback):
    """Watches every term of a combined loss during ``model.fit``, and says which one drove it.

    Before the first epoch and after each it measures the unweighted magnitude of every term on a
    fixed set of samples, and now and then the gradients. What it found goes into the ``logs`` of
    the epoch, from where ``History``, ``CSVLogger``, ``TensorBoard`` and MLflow take it: **put it
    first in the list of callbacks**, because those before it do not see what it adds. Training is
    not changed by it, to the last bit.

    What is watched is the whole loss that training lowers. The losses that the model adds by itself
    (regularisers, ``add_loss``) are a part like the terms, under the name ``model``; where the
    combined loss is that of one output of several, those of the others are parts, under Keras'
    names for them; ``loss_weights`` of ``compile`` count.

    Weights that move, as `lossweights.watch.schedule` moves them, count as they were in each epoch:
    the mean over its batches.

    The cost is bounded: measurements that do not fit into the budget are left out, except that
    after the last epoch and those before the weights move. `overhead` says what it took.

    Keys in ``logs``: ``magnitude/<term>``, ``share/<term>`` and ``decrease/<term>``, the decrease
    share so far; ``val_magnitude/<term>``; and with gradients ``gradnorm/<term>``,
    ``gradshare/<term>``, ``contribution/<term>`` and ``cosine/<term>/<term>``. After an epoch
    without a measurement they repeat the last one.

    Args:
        loss: The combined loss that the model is compiled with.
        probe: ``(x, y)`` or ``(x, y, sample_weight)`` from the training data, as arrays. What
            ``fit`` gets as ``sample_weight`` or ``class_weight`` belongs in here as well: no
            callback can see it.
        validation: The same from validation data, or ``None``.
        gradients: ``"parameters"`` for gradients with respect to the trainable parameters,
            ``"output"`` for the cheap variant at the model's output, ``None`` for none. See
            `lossweights.watch.gradients.GradientProbe`.
        budget: Most seconds of measuring for each second of training; ``None`` is no limit.
        every: Epochs from one measurement of gradients to the next; ``None``: as the budget allows.
        rows: Most rows that magnitudes are measured on, evenly spread over those given; ``None``
            picks: ``budget`` times the rows given, but 256 to 1024. Gradients take 64 to 256.
        stop_on_nonfinite: Stop the training when a term is not finite, its weight being above 0.

    Attributes:
        nonfinite: The first thing that was not finite, such as ``"term under"``, or ``None``.

    Raises:
        TermError: ``loss`` is not a combined loss.
        DataError: The probe is empty, or its arrays are of different lengths.
        ModelError: When training starts: the model is compiled with another combined loss, or it
            carries state from batch to batch.
        LossweightsError: Gradients are asked for on a backend other than TensorFlow.

    >>> import numpy as np
    >>> import lossweights as lw
    >>> x, y = np.linspace(0, 1, 64)[:, None], np.linspace(1, 3, 64)[:, None]
    >>> terms = {"mse": "mse", "under": lw.terms.Underestimation()}
    >>> loss = lw.CombinedLoss(terms, {"mse": 1.0, "under": 0.2})
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1), loss=loss)
    >>> monitor = TermMonitor(loss, probe=(x, y))
    >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    >>> monitor.verdict.driver
    'mse'
    >>> "decrease/under" in history.history  # how often it measured depends on the budget
    True
    """

    def __init__(
        self,
        loss: CombinedLoss,
        probe: Any,
        *,
        validation: Any = None,
        gradients: Wrt | None = "parameters",
        budget: float | None = 0.03,
        every: int | None = None,
        rows: int | None = None,
        stop_on_nonfinite: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(loss, CombinedLoss):
            raise TermError(
                f"Expected a CombinedLoss to watch. Found {type(loss).__name__}. Make one with "
                f"lw.CombinedLoss(terms=..., weights=...) and compile the model with it."
            )
        if gradients is not None:
            require_tensorflow()
            if gradients not in KINDS:
                raise ValueError(f"Expected gradients among {(*KINDS, None)}. Found {gradients!r}.")
        for name, number in (("budget", budget), ("every", every), ("rows", rows)):
            if number is not None and not number > 0:
                raise ValueError(f"Expected {name} above 0, or None. Found {number!r}.")
        self.loss, self.stop_on_nonfinite = loss, stop_on_nonfinite
        self.nonfinite: str | None = None
        self._train = as_arrays("probe", probe)
        self._validation = None if validation is None else as_arrays("validation", validation)
        self._settings = Settings(gradients=gradients, budget=budget, every=every, rows=rows)
        self._record = TrainingRecord(list(loss.terms))
        self._instruments: Instruments | None = None
        self._earlier: Instruments | None = None  # of the training before
        self._epoch_started = 0.0
        self._epochs_done = 0
        self._in_force: dict[str, float] | None = None  # weights of the latest epoch trained
        self._of_batches = InForce()
        self._epoch_is_new = False

    def __repr__(self) -> str:
        rows = len(tree.flatten(self._train[0])[0])
        return f"TermMonitor({self.loss!r}, probe=<{rows} rows>)"

    def _repr_html_(self) -> str:
        """The verdict so far, and what watching took."""
        if self._instruments is None:
            return paragraph(f"{self!r}: no training has started.")
        return f"{self.verdict._repr_html_()}{paragraph(str(self.overhead))}"

    @property
    def reports(self) -> list[EpochReport]:
        """One report a measurement, the first from before the first epoch."""
        return self._record.reports

    @property
    def verdict(self) -> Verdict:
        """Which term drove the training so far; printing it gives the sentence."""
        if self._instruments is not None and self._record.baseline is None:
            self._record.baseline = self._instruments.baseline()
        verdict = self._record.verdict()
        unseen = self._unseen()
        return replace(verdict, warnings=(*verdict.warnings, unseen)) if unseen else verdict

    @property
    def history(self) -> pd.DataFrame:
        """All measurements, one row each, by epoch; NaN where something was not measured.

        The columns have the names of the keys in ``logs``; with them ``weight/<term>``, the
        effective weight in force, ``weighted/<term>`` and ``bad``.
        """
        return self._record.table()

    @property
    def overhead(self) -> Overhead:
        """What watching took; printing it says so.

        Raises:
            ModelError: No training has started.
        """
        if self._instruments is None:
            raise ModelError(
                "Expected a training that was watched. Found none. Pass the monitor to "
                "model.fit(callbacks=[monitor]) first."
            )
        return self._instruments.overhead

    def plot(self) -> Any:
        """A plotly figure: weighted magnitudes, decrease shares, contributions by gradients.

        Raises:
            ModelError: No training has started.
        """
        self.overhead  # noqa: B018  refuses before a training
        return draw(self.history, self._record.terms, self.verdict)

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget an earlier training; refuse a model with another combined loss."""
        build(self.model, self._train[0])
        Reading(self.model, self.loss).refuse_other_weights()
        self._record = TrainingRecord(list(self.loss.terms))
        self._earlier = self._instruments or self._earlier
        self._instruments, self.nonfinite = None, None
        self._epochs_done = 0
        self._in_force, self._epoch_is_new = None, False
        self._of_batches = InForce()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Measure before the first epoch."""
        if self._instruments is None:
            self._instruments = self._ready_instruments()
            self._instruments.refuse_sums()
            self._record = TrainingRecord(list(self._instruments.weights()))
            self._warn_of_scales()
            self._keep(self._instruments.measure(epoch, gradients=True))
            self._epochs_done = epoch
        self._epoch_is_new = True
        self._epoch_started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note the weights of a batch, when every callback has had its say.

        What an epoch took off a term counts with the weights that it was trained with. If they
        have moved since an epoch without a measurement, that is made up for, whatever the budget:
        the model is still as that epoch left it.
        """
        if self._instruments is None:
            return
        weights = self._instruments.weights()
        if self._epoch_is_new:
            self._begin_with(weights)
        self._of_batches.add(weights)

    def _begin_with(self, weights: dict[str, float]) -> None:
        """Begin an epoch with these weights, once what the one before took off is measured."""
        assert self._instruments is not None
        self._epoch_is_new = False
        moved = self._in_force is not None and weights != self._in_force
        if moved and self.reports[-1].epoch < self._epochs_done:
            report = self._instruments.measure_if_due(self._epochs_done, force=True)
            assert report is not None
            self._keep(report)
            self._epoch_started = time.perf_counter()
        self._in_force = weights
        self._of_batches.taken()

    def _unseen(self) -> str:
        """A sentence on what the model may be trained on beside what is measured, or nothing."""
        if self._instruments is None:
            return ""
        own = own_training(self.model)
        if not own:
            return ""
        return (
            f"The model has a {listed(own)} of its own: what it adds to the loss beside the "
            f"compiled losses and its regularisers is not measured."
        )

    def _warn_of_scales(self) -> None:
        """Say so if dividing the terms has changed their balance with the model's own losses."""
        scales = self.loss.scales
        if scales is None or MODEL not in self._record.terms:
            return
        mean = sum(scales.values()) / len(scales)
        if max(mean, 1 / mean) > UNBALANCED:
            log.warning(
                "The terms are divided by scales of mean %.3g, the losses that the model adds by "
                "itself are not: they count %.3g times as much as without scales. "
                "loss.adapt(..., keep_size=True) keeps the balance.",
                mean,
                mean,
            )

    def _ready_instruments(self) -> Instruments:
        """Those of an earlier training of this model, whose graphs are compiled, or new ones."""
        if self._earlier is not None and self._earlier.fits(self.model):
            self._earlier.restart()
            return self._earlier
        return Instruments(self.model, self.loss, self._train, self._validation, self._settings)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Learn how many rows a batch has, which some own losses of a model depend on."""
        if self._instruments is None or self._instruments.batch_rows is not None:
            return
        rows = self._rows_of_a_batch(batch + 1)
        if not self._instruments.needs_batch_rows:
            self._instruments.batch_rows = rows
            return
        self._instruments.batch_rows = rows
        first, (train, val) = self._record.reports[0], self._instruments.own_losses()
        self._record.reports[0] = replace(
            first, train={**first.train, **train}, val={**first.val, **val}
        )

    def _rows_of_a_batch(self, batches: int) -> int:
        """Rows of a training batch, of which so many were trained on since the epoch began."""
        for metric in self.model.metrics:
            if metric.name == "loss" and hasattr(metric, "count"):  # Keras' mean over all rows
                return max(1, round(float(keras.ops.convert_to_numpy(metric.count)) / batches))
        return min(len(tree.flatten(self._train[0])[0]), DEFAULT_BATCH_ROWS)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure if there is room, and write into ``logs``."""
        assert self._instruments is not None
        self._instruments.overhead.training += time.perf_counter() - self._epoch_started
        self._epochs_done = epoch + 1
        self._in_force = self._of_batches.taken() or self._in_force
        lost = logs is not None and not math.isfinite(logs.get("loss", 0.0))
        last = epoch + 1 >= (self.params or {}).get("epochs", math.inf)
        report = self._instruments.measure_if_due(epoch + 1, force=last or lost)
        if report is not None:
            self._keep(report)
        if lost:
            self._tell("the training loss", epoch + 1)
        if logs is not None:
            logs.update(self._record.latest())

    def on_train_end(self, logs: Any = None) -> None:
        """Measure an end that came early, and whether the output's offset is trained."""
        if self._instruments is None:
            return  # no epoch was trained
        if self.reports[-1].epoch < self._epochs_done:
            self._keep(self._instruments.measure(self._epochs_done, gradients=False))
        if self.nonfinite is None:
            self._record.calibration = self._instruments.calibration()

    def _keep(self, report: EpochReport) -> None:
        assert self._instruments is not None
        self._record.add(report, self._in_force or self._instruments.weights())
        if report.bad is not None:
            self._tell(report.bad, report.epoch)

    def _tell(self, what: str, epoch: int) -> None:
        """Say what is not finite, once, and stop if asked to."""
        if self.nonfinite is None:
            self.nonfinite = what
            end = "Training stops." if self.stop_on_nonfinite else "Training goes on."
            log.warning("After epoch %d: %s is not finite. %s", epoch, what, end)
        if self.stop_on_nonfinite:
            self.model.stop_training = True
