"""A problem and its data as plain JSON values: what a manifest holds of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from types import FunctionType, ModuleType
from typing import Any

import keras

from lossweights.base.arguments import kept_arguments
from lossweights.base.code_hash import code_hash
from lossweights.data import Data, Folds
from lossweights.metrics import FunctionMetric, KerasMetric, Metric
from lossweights.terms import CustomLoss, OnChannels, OnKnown, OnOutput, OnOutputs, Term
from lossweights.terms import describe as describe_term
from lossweights.terms.chosen import ChoiceTerm, SampledTerm
from lossweights.training.optimizer import describe_optimizer
from lossweights.training.problem import Problem
from lossweights.training.settings import settings


def describe_problem(problem: Problem, data: Data | Folds) -> dict[str, Any]:
    """Everything of a problem that decides its numbers.

    Terms and metrics that a description can build are described; those that are code of the user's
    own are hashed, as are `build_model` and what makes callbacks. Data are hashed value by value.
    """
    terms = {name: describe_term(term) for name, term in problem.terms.items()}
    callbacks = {} if problem.callbacks is None else {"callbacks": code_hash(problem.callbacks)}
    return {
        "terms": terms,
        "metrics": {name: _describe_metric(metric) for name, metric in problem.metrics.items()},
        "recipe": {
            "optimizer": _plain(describe_optimizer(problem.make_optimizer())),
            "epochs": problem.epochs,
            "batch_size": problem.batch_size,
            "probe_size": problem.probe_size,
            "early_stopping": problem.early_stopping and asdict(problem.early_stopping),
            **({"models": _plain(problem.models)} if problem.models else {}),
        },
        "code": {
            "build_model": code_hash(problem.build_model),
            "terms": {
                k: _term_code(v) for k, v in problem.terms.items() if not _is_whole(terms[k])
            },
            "metrics": {k: _metric_code(v) for k, v in problem.metrics.items() if _is_own(v)},
            **callbacks,
        },
        "data": data.fingerprint(),
        "keras": settings(),
    }


def _is_whole(description: Mapping[str, Any] | None) -> bool:
    """Whether a description says all of a term, or of all terms that are chosen from."""
    options = () if description is None else description.get("options", {}).values()
    return description is not None and all(map(_is_whole, options))


def _term_code(term: Any) -> dict[str, Any]:
    """A term of the user's own: its code and its arguments."""
    reads: dict[str, Any] = {}
    while isinstance(term, OnOutput | OnChannels | OnOutputs | OnKnown | SampledTerm):
        if isinstance(term, OnOutputs):
            reads["outputs"] = list(term.outputs)
        if isinstance(term, OnKnown):
            reads["missing"] = "nan"
        if isinstance(term, OnChannels):
            reads |= {k: term.get_config().get(k) for k in ("target", "weight", "extras")}
        term = term.term
    if isinstance(term, ChoiceTerm):
        options = {k: o for k, o in term.options.items() if not _is_whole(describe_term(o))}
        return {"options": {k: _term_code(o) for k, o in options.items()}, **_given(reads)}
    own = term.loss if isinstance(term, CustomLoss) else term
    if isinstance(own, Term | keras.losses.Loss):
        return {"source": code_hash(type(own)), **_plain(own.get_config()), **_given(reads)}
    return {"source": code_hash(own), **_plain(_state(own)), **_given(reads)}


def _given(reads: Mapping[str, Any]) -> dict[str, Any]:
    """What of a term's target is read, as far as it was named."""
    return {name: said for name, said in reads.items() if said}


def _state(function: Any) -> dict[str, Any]:
    """The attributes of what is called as a function and is none: they decide its values."""
    while isinstance(function, functools.partial):
        function = function.func  # its arguments are in the hash of its code
    owner = getattr(function, "__self__", function)  # of a bound method
    if isinstance(owner, FunctionType | ModuleType):
        return {}
    if is_dataclass(owner) and not isinstance(owner, type):
        return {each.name: getattr(owner, each.name) for each in fields(owner)}
    return dict(getattr(owner, "__dict__", {})) if not isinstance(owner, type) else {}


def _describe_metric(metric: Metric) -> dict[str, Any]:
    kind = {"class": type(metric).__name__, "direction": metric.direction}
    if isinstance(metric, FunctionMetric):  # Keras would warn of a lambda; its code is hashed
        own = metric.function
        known = None if _is_own(metric) else f"{own.__module__}.{own.__qualname__}"
        return {**kind, "function": known, "dtype": metric.dtype}
    within = getattr(metric, "metric", None)
    if isinstance(within, Metric) and isinstance(_last(metric), FunctionMetric | KerasMetric):
        around = {k: v for k, v in kept_arguments(metric).items() if k != "metric"}
        return {**kind, **_plain(around), "metric": _describe_metric(within)}
    config = metric.get_config()
    if isinstance(metric, KerasMetric):
        inner = _plain(metric.metric.get_config())
        config["metric"] = {"class": type(metric.metric).__name__, **inner}
    config.pop("function", None)  # its code counts, not how Keras writes it
    return {**kind, **_plain(config)}


def _last(metric: Metric) -> Metric:
    """The metric within all that is said around it: an output, channels, what is known."""
    while isinstance(within := getattr(metric, "metric", None), Metric):
        metric = within
    return metric


def _innermost(metric: Metric) -> Any:
    """What a metric is made of: a function, a metric of Keras, or the metric itself."""
    last = _last(metric)
    if isinstance(last, KerasMetric):
        return last.metric
    ours = type(last).__module__.startswith("lossweights.")
    return getattr(last, "function", last) if ours else last


def _is_own(metric: Metric) -> bool:
    own = _innermost(metric)
    of = type(own) if isinstance(own, keras.metrics.Metric) else own
    return not str(getattr(of, "__module__", "")).startswith(("lossweights.", "keras."))


def _metric_code(metric: Metric) -> Any:
    """The code of a metric of the user's own, and what else decides its values."""
    own = _innermost(metric)
    if isinstance(own, keras.metrics.Metric):
        return code_hash(type(own))
    state = _plain(_state(own))
    return {"source": code_hash(own), **state} if state else code_hash(own)


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras configuration as JSON values; what JSON does not know is spelled out."""
    known = (str, int, float, bool, type(None))
    spelled = {k: v if isinstance(v, known) else repr(v) for k, v in sorted(config.items())}
    spelled.pop("name", None)  # Keras counts: the second Adam of a process is called adam_1
    # The address of an object in memory says nothing, and is another one each time.
    return {k: v for k, v in spelled.items() if not (isinstance(v, str) and " at 0x" in v)}
