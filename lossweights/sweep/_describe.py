"""A problem and its data as plain JSON values: what a manifest holds of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from types import FunctionType, ModuleType
from typing import Any

import keras

from lossweights.base.code_hash import code_hash
from lossweights.data import Data
from lossweights.metrics import Metric
from lossweights.terms import CustomLoss, OnMask, OnOutput, Term
from lossweights.terms import describe as describe_term
from lossweights.terms.chosen import ChoiceTerm, SampledTerm
from lossweights.training.optimizer import describe_optimizer
from lossweights.training.problem import Problem
from lossweights.training.settings import settings


def describe_problem(problem: Problem, data: Data) -> dict[str, Any]:
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
            "metrics": {k: code_hash(type(v)) for k, v in problem.metrics.items() if _is_own(v)},
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
    while isinstance(term, OnOutput | OnMask | SampledTerm):
        term = term.term
    if isinstance(term, ChoiceTerm):
        return {name: _term_code(o) for name, o in term.options.items() if describe_term(o) is None}
    own = term.loss if isinstance(term, CustomLoss) else term
    if isinstance(own, Term | keras.losses.Loss):
        return {"source": code_hash(type(own)), **_plain(own.get_config())}
    return {"source": code_hash(own), **_plain(_state(own))}


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
    return {**kind, **_plain(metric.get_config())}


def _is_own(metric: Metric) -> bool:
    return not type(metric).__module__.startswith("lossweights.")


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras configuration as JSON values; what JSON does not know is spelled out."""
    known = (str, int, float, bool, type(None))
    spelled = {k: v if isinstance(v, known) else repr(v) for k, v in sorted(config.items())}
    spelled.pop("name", None)  # Keras counts: the second Adam of a process is called adam_1
    # The address of an object in memory says nothing, and is another one each time.
    return {k: v for k, v in spelled.items() if not (isinstance(v, str) and " at 0x" in v)}
