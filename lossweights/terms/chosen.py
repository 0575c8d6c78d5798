"""Terms that are others in each trial of a sweep: by their arguments, or one of several.

What differs is a number that the graph reads, a `Dial`: set between trainings, or given to each
member of a stack as its weights are. Nothing is traced anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from lossweights.base.arguments import parameters
from lossweights.base.errors import TermError
from lossweights.base.numbers import as_number
from lossweights.base.sampled import UNIT, Choice, Sampled, SampledNumber, Value
from lossweights.terms._as_term import as_term
from lossweights.terms._channels import OnChannels
from lossweights.terms._known import OnKnown, known
from lossweights.terms._template import TermTemplate
from lossweights.terms.per_sample import Tensor, Term
from lossweights.terms.summands import switched_values_of
from lossweights.terms.targets import Array, Targets


@dataclass(frozen=True, eq=False)
class Dial:
    """A number that a term reads, and that is set for each training.

    Attributes:
        key: What it is called in trials, such as ``"term/region/alpha"``.
        usual: Its value where nothing is said.
        part: What it is sampled from; the names of what is chosen from; or ``None``.
        variable: What the graph reads, a scalar.
    """

    key: str
    usual: Value
    part: SampledNumber | tuple[str, ...] | None
    variable: keras.Variable = field(init=False)

    def __post_init__(self) -> None:
        variable = keras.Variable(self.number(self.usual), trainable=False, dtype="float32")
        object.__setattr__(self, "variable", variable)

    def number(self, value: Value) -> float:
        """A value as the graph reads it: the place of a name, or the number itself."""
        return float(self.part.index(value) if isinstance(self.part, tuple) else value)

    def example(self, place: int) -> Value:
        """A value, others at other places."""
        if isinstance(self.part, tuple):
            return self.part[place % len(self.part)]
        return self.usual if self.part is None else self.part.at((1 + place % 3) / 4)


class SampledTerm(Term):
    """A term some of whose arguments are read from dials.

    Args:
        term: The term with the usual arguments.
        dials: A dial for each argument that is sampled.
    """

    def __init__(self, term: Term, dials: Mapping[str, Dial]) -> None:
        super().__init__(name=term.name)
        self.term, self.dials, self.alternatives = term, dict(dials), (term,)
        self.link, self.axes, self.mapped = term.link, term.axes, term.mapped

    def __repr__(self) -> str:
        return repr(TermTemplate(type(self.term), (), {n: d.part for n, d in self.dials.items()}))

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The value of the term with the arguments of the moment, shape ``(batch,)``."""
        precise = keras.backend.result_type(keras.tree.flatten(y_pred)[0].dtype, "float32")
        made: Any = object.__new__(type(self.term))  # past its constructor, which wants numbers
        made.__dict__.update(self.term.__dict__)
        for name, dial in self.dials.items():
            setattr(made, name, ops.cast(ops.convert_to_tensor(dial.variable), precise))
        values: Tensor = made.per_sample(y_true, y_pred, element_weight)
        return values

    def best_constant(self, targets: Targets) -> Array | None:
        """That of the term with the usual arguments."""
        return self.term.best_constant(targets)


class ChoiceTerm(Term):
    """One of several terms. All are computed, and what is not chosen counts nothing.

    Args:
        options: The terms by name.
        which: The dial that says which.
        unit: The dial that says what it is multiplied by.
    """

    def __init__(self, options: Mapping[str, Term], which: Dial, unit: Dial) -> None:
        super().__init__(name=which.key)
        self.options, self.which, self.unit = dict(options), which, unit
        self.alternatives = tuple(options.values())
        self.axes = tuple(axis for option in options.values() for axis in option.axes)
        self.mapped = any(option.mapped for option in options.values())
        self.show(str(which.usual))

    def __repr__(self) -> str:
        return f"Choice({self.options!r})"

    def show(self, option: str) -> None:
        """Be one of the options, for whoever asks before any training."""
        self.which.variable.assign(self.which.number(option))
        self.shown = self.options[option]
        self.link = self.shown.link

    def per_sample(self, y_true: Any, y_pred: Any, element_weight: Tensor | None = None) -> Tensor:
        """The value of the term that is chosen, shape ``(batch,)``."""
        which = ops.convert_to_tensor(self.which.variable)
        total: Any = 0.0
        for place, (name, term) in enumerate(self.options.items()):
            off = ops.not_equal(which, float(place))
            total = total + switched_values_of(off, name, term, y_true, y_pred, element_weight)
        return ops.cast(ops.convert_to_tensor(self.unit.variable), total.dtype) * total

    def each(self, change: Callable[[Term], Term]) -> ChoiceTerm:
        """The choice between what the options are changed into."""
        changed = {name: option.each(change) for name, option in self.options.items()}
        return ChoiceTerm(changed, self.which, self.unit)

    def part_known(self, y_true: Any) -> Tensor | None:
        """That of the options, which has to be the same: members of a stack share the count.

        Raises:
            TermError: It is not.
        """
        found = [option.part_known(y_true) for option in self.options.values()]
        known = [part for part in found if part is not None]
        if not known:
            return None
        parts = [ops.ones_like(known[0]) if part is None else part for part in found]
        if not _are_alike(parts):
            raise TermError(
                f"Expected options that leave out the same elements where labels are unknown. "
                f"Found {self!r}, of which some leave out an element if one of its channels is "
                f"unknown. Choose between others, or sweep them one after another."
            )
        return parts[0]

    def best_constant(self, targets: Targets) -> Array | None:
        """That of the option that is shown."""
        return self.shown.best_constant(targets)


def chosen_term(identifier: Any, name: str) -> Term:
    """The term that ``identifier`` stands for, which a sweep may sample.

    Args:
        identifier: What a combined loss takes as a term; a term with arguments that are sampled; or
            a `lossweights.Choice` between such.
        name: What the term is called.

    Raises:
        TermError: It cannot be a term, or an argument cannot be sampled.
    """
    return _made(identifier, name, f"term/{name}")


def dials_of(terms: Iterable[Term]) -> list[Dial]:
    """All that is set of some terms for each training, in order; mostly nothing."""
    return [dial for term in terms for dial in _dials(term)]


def choices_in(term: Term) -> Iterator[ChoiceTerm]:
    """The choice that a term is, however it is wrapped, if it is one."""
    while not isinstance(term, ChoiceTerm):
        inner = getattr(term, "term", None)
        if not isinstance(inner, Term):
            return
        term = inner
    yield term


def turn(terms: Iterable[Term], chosen: Mapping[str, Value]) -> None:
    """Set what terms read for the training that follows; what is not said is as usual."""
    for dial in dials_of(terms):
        dial.variable.assign(dial.number(chosen.get(dial.key, dial.usual)))


def _dials(term: Any) -> Iterator[Dial]:
    if isinstance(term, ChoiceTerm):
        yield from (term.which, term.unit)
        for option in term.options.values():
            yield from _dials(option)
    elif isinstance(term, SampledTerm):
        yield from term.dials.values()
    elif isinstance(inner := getattr(term, "term", None), Term):
        yield from _dials(inner)


def _are_alike(parts: Sequence[Tensor]) -> bool:
    """Whether all are the same, as far as it is known: not while a graph is traced."""
    try:
        first, *others = [np.asarray(ops.convert_to_numpy(part)) for part in parts]
    except (NotImplementedError, TypeError):
        return True
    return all(np.allclose(first, other) for other in others)


def _made(identifier: Any, name: str, key: str) -> Term:
    if isinstance(identifier, Choice):
        options = {n: _made(o, n, f"{key}/{n}") for n, o in identifier.options.items()}
        names = tuple(options)
        unit = Dial(f"{UNIT}{name}", 1.0, None)
        return ChoiceTerm(options, Dial(key, names[0], names), unit)
    if isinstance(identifier, TermTemplate):
        return _of_template(identifier, name, key)
    return as_term(identifier, name)


def _of_template(template: TermTemplate, name: str, key: str) -> Term:
    arguments: dict[str, Any] = dict(template.arguments)
    dials: dict[str, Dial] = {}
    for argument, value in template.arguments.items():
        if isinstance(value, SampledNumber):
            dials[argument] = Dial(
                f"{key}/{argument}", _usual(template.term, argument, value), value
            )
            arguments[argument] = dials[argument].usual
        elif isinstance(value, Sampled):  # a term within a term
            arguments[argument] = _made(value, name, key)
    if template.term in (OnChannels, OnKnown):  # around each option of a choice
        return _around(template.term, arguments)
    made: Term = template.term(**arguments)
    for argument, dial in dials.items():
        if not isinstance(getattr(made, argument, None), float):
            raise TermError(
                f"Expected an argument of {template.term.__name__} that is kept as a number with a "
                f"fraction, under its own name. Found {argument!r}. Leave it fixed, or choose "
                f"between terms: lw.Choice({{...}})."
            )
        assert isinstance(dial.part, SampledNumber)
        for end in (dial.part.low, dial.part.high):  # refuses what the term does not take
            template.term(**{**arguments, argument: end})
    return SampledTerm(made, dials) if dials else made


def _around(wrapper: type, arguments: Mapping[str, Any]) -> Term:
    """What reads some channels, or known elements, for a term that is sampled."""
    inner: Term = arguments["term"]
    if wrapper is OnKnown:
        return known(inner)
    rest = {name: value for name, value in arguments.items() if name != "term"}
    return inner.each(lambda option: OnChannels(option, **rest))


def _usual(term: type, argument: str, part: SampledNumber) -> float:
    """The default of an argument, if it can be sampled, or else the middle of what can."""
    default = as_number(parameters(term)[argument].default) if argument in parameters(term) else 0.0
    return default if part.low <= default <= part.high else part.at(0.5)
