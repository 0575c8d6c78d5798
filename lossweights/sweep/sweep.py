"""A sweep: problem, space and objectives under one name; run it, resume it, read its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import keras

from lossweights.base.errors import RecipeError, TermError
from lossweights.base.names import check_name
from lossweights.base.numbers import as_number, whole_number
from lossweights.base.sampled import Choice
from lossweights.base.shown import call
from lossweights.data import Data, Folds
from lossweights.data.missing import Missing, checked_missing, meaning
from lossweights.foreign.random_states import kept_random_states
from lossweights.loss.weights import check_scales
from lossweights.metrics import Metric
from lossweights.metrics import known as known_metric
from lossweights.results.proof import MIN_EFFECT
from lossweights.search.baselines import BaselinesLike, check_baselines
from lossweights.search.rungs import Prune
from lossweights.search.samplers import SamplerLike, check_sampler, describe_sampler
from lossweights.search.space import LogUniform, Space, SpaceLike, Uniform
from lossweights.search.start import starting_points
from lossweights.search.wish import Wish
from lossweights.sweep._aims import declared_aims
from lossweights.sweep._folds import Stat, check_stat
from lossweights.sweep._hyper import choices_of_terms, declared_hyper
from lossweights.sweep._objectives import checked_metrics, checked_objectives
from lossweights.sweep._prepare import PreparedSweep, prepare_sweep
from lossweights.sweep.abstract import AbstractSweep
from lossweights.sweep.prune import checked_prune
from lossweights.terms import known
from lossweights.terms.chosen import chosen_term
from lossweights.training import IMPORTS, TRAINERS
from lossweights.training.early_stopping import EarlyStopping
from lossweights.training.problem import Problem
from lossweights.training.threads import limit_threads
from lossweights.watch.backends import require_tensorflow_to_train

if TYPE_CHECKING:
    from lossweights.sweep._plan import Plan

MAX_SEED = 2**32 - 1  # of NumPy's generator, which Keras seeds too


class Sweep(AbstractSweep):
    """A search over the weights of a loss of several terms.

    Every trial samples weights, trains the same model on the same data from the same seed, and is
    judged by metrics that no weight enters.

    Args:
        name: Name of the sweep, of its folder and of its MLflow experiment.
        build_model: Gives a new, uncompiled Keras model. A function of a module, not a lambda.
        load_data: Gives `Data`, or several folds of them as `Data.folds` does.
        terms: Terms by name, each a Keras loss name, a Keras loss, a function or a `lw.terms` term,
            whose numbers may be sampled, ``lw.terms.Tversky(alpha=lw.Uniform(0.1, 0.9))``; or one
            of several, ``lw.Choice({"dice": ..., "tversky": ...})``; see `docs/choices.md`.
        space: A distribution for each term, or a `Simplex`.
        metrics: Metrics by name, measured on validation data after every epoch: of `lw.metrics`, of
            `keras.metrics`, or functions of arrays; see `docs/metrics.md`.
        objectives: ``"minimize"`` or ``"maximize"`` for one or more of the metrics.
        optimizer: Name or instance of a Keras optimizer.
        epochs: Passes over the training data in each trial.
        batch_size: Rows a step.
        seed: Seed of the sampler, and of initialisation and batch order in every trial.
        scales: ``"data"`` divides each sampled weight by the magnitude its term has for the best
            constant prediction of the training targets, so that a weight of 1 means the same for
            every term; a mapping gives these magnitudes, those of terms that it does not name are
            from the data; ``None`` takes weights as sampled. If the model adds losses by itself,
            such as regularisers, magnitudes from data are brought to a mean of 1, so that their
            balance with the terms stays as it is unscaled.
        baselines: What the sweep has to beat: ``"all"``, ``"none"``, or a list of names, of weight
            sets such as those in use today, and of methods of `lw.adaptive`. Names are ``equal``,
            ``inverse``, ``only:TERM``, ``without:TERM``, ``uncertainty``, ``uncertainty-learned``,
            ``dwa``, ``softadapt``, ``relobralo``, ``gradnorm`` and ``encodec``; ``all`` and
            ``default`` stand for several.
            By default equal weights, each term left out, and ``uncertainty``. Those inside the
            space are the first trials; see `docs/baselines.md`.
        probe_size: Most training rows on which magnitudes are measured each epoch.
        seeds: From how many seeds each weight set is trained, ``seed`` and those that follow it.
            Magnitudes and metrics are then means over them, with standard errors.
        folds: Into how many parts training and validation rows are divided, at random; each weight
            set is trained once for each, which is then validated, with means as over ``seeds``. For
            other divisions, in time above all, ``load_data`` gives `Data.folds`. Test data stay.
        stat: What counts of several trainings, for objectives: ``"mean"``, ``"median"`` or
            ``"worst"``. Other metrics are means.
        early_stopping: When a training ends before its last epoch, such as
            ``lw.EarlyStopping("rmse", patience=3)``; its best epoch counts then.
        callbacks: Gives a list of new Keras callbacks, once for each training: a function. They
            need the trainer ``fit``.
        wish: What is wanted in outcomes, such as ``lw.Wish(rmse=55, shortfall=3)``: the search
            concentrates where it is fulfilled, or nearly so, and the promoted weights are those
            that come nearest.
        constraints: What must hold for metrics on validation data, such as
            ``{"shortfall": "<=5"}`` or ``{"bias": ">=-1 and <=1"}``: the search concentrates where
            it does, and picks are made there.
        prune: Stops the worst trials early: ``lw.Rungs(at=(3, 7), keep=0.5)`` says after which
            epochs and which part goes on, ``True`` means a half after a quarter and after a half of
            the epochs. With one objective also a pruner of ``optuna.pruners``.
        sampler: What makes up weights to try: a name of ours, such as ``"thompson"``, the default,
            or ``"tpe"``; a function from a seed to a sampler of Optuna's; or a sampler of Optuna's,
            which is asked in order. `docs/search.md` compares them.
        missing: ``"nan"`` if NaN among targets means that a label is unknown: terms, scales and
            metrics leave it out; see `lw.terms.known`. NaN is refused otherwise.
        min_effect: The least gain in a metric that ``result.sentence`` calls one, in parts of it:
            paired trainings show smaller ones too. Say it before the results are there.
        hyper: What is sampled beside the weights: numbers of the optimizer by name, such as
            ``{"learning_rate": lw.LogUniform(1e-4, 1e-2)}``; and what ``build_model(hp)`` is given
            as a dict, if it takes an argument. See `docs/choices.md`.

    Raises:
        InvalidName, TermError, WeightError, SpaceError, ObjectiveError, RecipeError: Before any
            training.
    """

    trainers = ("auto", *TRAINERS)
    worker_imports = (__name__, *IMPORTS)

    def __init__(
        self,
        *,
        name: str,
        build_model: Callable[..., keras.Model],
        load_data: Callable[[], Data | Folds],
        terms: Mapping[str, Any],
        space: SpaceLike,
        metrics: Mapping[str, Metric | keras.metrics.Metric | Callable[..., Any]],
        objectives: Mapping[str, str],
        optimizer: str | keras.optimizers.Optimizer = "adam",
        epochs: int = 20,
        batch_size: int = 64,
        seed: int = 0,
        scales: str | Mapping[str, float] | None = "data",
        baselines: BaselinesLike = None,
        probe_size: int = 1024,
        seeds: int = 1,
        folds: int | None = None,
        stat: Stat = "mean",
        early_stopping: EarlyStopping | None = None,
        callbacks: Callable[[], Sequence[keras.callbacks.Callback]] | None = None,
        wish: Wish | None = None,
        constraints: Mapping[str, str] | None = None,
        prune: Prune = None,
        sampler: SamplerLike | None = None,
        min_effect: float = MIN_EFFECT,
        missing: Missing = None,
        hyper: Mapping[str, Uniform | LogUniform | Choice] | None = None,
    ) -> None:
        require_tensorflow_to_train()
        limit_threads()  # before an optimizer is made, which runs operations
        self.name = check_name(name, "sweep")
        if not isinstance(terms, Mapping) or not terms:
            raise TermError(f"Expected at least one term by name. Found {terms!r}.")
        self.missing = checked_missing(missing)
        built = {key: chosen_term(term, check_name(key, "term")) for key, term in terms.items()}
        others = declared_hyper(hyper, optimizer, build_model)
        beside = others.choices.with_others(choices_of_terms(built))
        self.space = Space(list(terms), space, beside)
        checked = checked_metrics(metrics, objectives, early_stopping)
        if self.missing:
            built = {key: known(term) for key, term in built.items()}
            checked = {key: known_metric(metric) for key, metric in checked.items()}
        self.problem = Problem(
            build_model=build_model,
            terms=built,
            metrics=checked,
            optimizer=optimizer,
            epochs=whole_number("epochs", epochs, 1),
            batch_size=whole_number("batch_size", batch_size, 1),
            probe_size=whole_number("probe_size", probe_size, 1),
            early_stopping=early_stopping,
            callbacks=callbacks,
            hyper=others.numbers,
            models=others.models,
            hp=others.hp,
            ramps=self.space.ramps,
        )
        self.objectives = checked_objectives(objectives, self.problem.metrics)
        self.min_effect = _checked_effect(min_effect)
        self.aims = declared_aims(wish, constraints, self.problem.metrics)
        self.load_data = load_data
        self.seed = whole_number("seed", seed, 0, MAX_SEED)
        self.seeds = whole_number("seeds", seeds, 1)
        self.folds = None if folds is None else whole_number("folds", folds, 2)
        self.stat = check_stat(stat)
        self.sampler = check_sampler(sampler)
        self.scales = _checked_scales(scales, list(terms))
        self.problem.make_optimizer()  # so that a misspelt one is refused here
        self.contest_baselines = check_baselines(baselines, self.space)
        inside = self.contest_baselines.inside(self.space)
        self.baselines = starting_points(self.space, inside.values())
        self.prune = checked_prune(prune, self.objectives, self.problem.epochs)
        if self.prune:
            self.check_prune()

    def __repr__(self) -> str:
        parts = {"terms": self.problem.terms, "metrics": self.problem.metrics}
        return call("Sweep", name=self.name, **parts, objectives=self.objectives)

    @property
    def epochs(self) -> int:
        """Passes over the training data in each trial."""
        return self.problem.epochs

    def check_prune(self) -> None:
        """Refuse callbacks: a training that waits in between would be several to them."""
        if self.problem.callbacks is not None:
            raise RecipeError(
                "Expected no callbacks in a sweep that stops trials early, since its trainings "
                "wait for each other in between, which callbacks would take for an end. Found "
                "both. Leave out callbacks= or prune=."
            )

    def check_trainer(self, name: str, *, halts: bool = False) -> None:
        """Refuse trainers that would not call the callbacks, or not build models anew."""
        single = ("auto", "fit", *(() if halts else ("serial",)))
        if self.problem.models and name not in single:
            stopped = ", where trials stop early" if halts else ""
            raise RecipeError(
                f"Expected a trainer of one model at a time, one of {single}{stopped}, since "
                f"build_model is given {list(self.problem.models)}, other ones in each trial. "
                f"Found {name!r}. Leave out trainer=, or these."
            )
        if self.problem.callbacks is not None and name not in ("auto", "fit"):
            raise RecipeError(
                f"Expected the trainer 'fit', or 'auto', which then chooses it, since callbacks "
                f"are given, which only model.fit calls. Found {name!r}. Leave out trainer= or "
                f"callbacks=."
            )

    @property
    def trainings(self) -> int:
        """How often each weight set is trained: for each seed, on each fold."""
        return self.seeds * (self.folds or 1)

    def prepare(self, *, rehearse: bool) -> PreparedSweep:
        """Load the data, try every part once, and find the reference scales."""
        prepared = prepare_sweep(
            self.problem,
            self._load,
            seed=self.seed,
            seeds=self.seeds,
            folds=self.folds,
            stat=self.stat,
            scales=self.scales,
            objectives=self.objectives,
            shown=self._tracked_params(),
            rehearsed=rehearse,
            space=self.space,
        )
        if prepared.scales is not None:
            self.space.check_scales(prepared.scales)
        return prepared

    def _load(self) -> Data | Folds:
        """The data, in which labels may be unknown if the sweep says so."""
        with meaning(self.missing):
            data = self.load_data()
        parts = data if isinstance(data, Folds) else [data]
        if not self.missing and any(getattr(part, "missing", None) for part in parts):
            raise RecipeError(
                "Expected missing='nan' in the sweep too, so that terms and metrics leave unknown "
                "labels out. Found it in the data alone. Write Sweep(..., missing='nan')."
            )
        return data

    def plan(self, trials: int | None = None, epochs: int | None = None) -> Plan:
        """Look at the sweep before it runs, with the weights that it tries first.

        See `lossweights.plan`; model, data, optimizer and batch size are those of the sweep, and
        the ranges are in the units of its space. Nothing is written.

        Args:
            trials: For how many trials to tell the time of training, or ``None``.
            epochs: Passes over the training data in each; by default those of the sweep.

        Raises:
            RecipeError, DataError, ModelError, TermError, MetricError, WeightError: Something
                cannot be or does not fit.
        """
        from lossweights.sweep._plan_sweep import plan_sweep  # what runs a sweep does not need it

        trials = None if trials is None else whole_number("trials", trials, 1)
        epochs = None if epochs is None else whole_number("epochs", epochs, 1)
        if trials is None and epochs is not None:
            raise RecipeError(
                f"Expected trials= with epochs=, as the time follows from both. Found "
                f"epochs={epochs} alone. Say how many trials, or leave it out."
            )
        with kept_random_states():
            prepared = self.prepare(rehearse=True)
            return plan_sweep(
                self.problem,
                prepared,
                self.space,
                self.baselines[0],
                seed=self.seed,
                trials=trials,
                epochs=epochs,
            )

    def _tracked_params(self) -> dict[str, Any]:
        stopping = self.problem.early_stopping
        return {
            "epochs": self.problem.epochs,
            "batch_size": self.problem.batch_size,
            "optimizer": type(self.problem.make_optimizer()).__name__,
            "seed": self.seed,
            "seeds": self.seeds,
            **({} if self.folds is None else {"folds": self.folds}),
            **({} if self.stat == "mean" else {"stat": self.stat}),
            **({} if stopping is None else {"early_stopping": str(stopping)}),
            **({"prune": str(self.prune)} if self.prune else {}),
            **({} if self.sampler is None else {"sampler": describe_sampler(self.sampler)}),
            "objectives": ", ".join(f"{d} {name}" for name, d in self.objectives.items()),
            **{field: str(said) for field, said in self.aims.to_json().items()},
            **{f"space/{key}": value for key, value in self.space.describe().items()},
        }


def _checked_effect(value: object) -> float:
    number = as_number(value)
    if 0.0 <= number < 1.0:
        return number
    raise RecipeError(
        f"Expected min_effect as a part of a metric, from 0 to less than 1, such as 0.005. Found "
        f"{value!r}."
    )


def _checked_scales(
    scales: str | Mapping[str, float] | None, names: Sequence[str]
) -> Literal["data"] | dict[str, float] | None:
    if scales is None or scales == "data":
        return "data" if scales else None
    some = [name for name in names if name in scales] if isinstance(scales, Mapping) else []
    return check_scales(scales, some if some and set(scales) <= set(names) else names)
