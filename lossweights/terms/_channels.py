"""Terms that read some channels of ``y_true``, where it carries more than the target."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._as_term import as_term
from lossweights.terms._distance_map import DistanceBoundary, HausdorffDistance, first_channels
from lossweights.terms._foreign import CustomLoss
from lossweights.terms._output import OnOutput
from lossweights.terms._outputs import OnOutputs
from lossweights.terms._tensors import Tensor, as_float, expand_weight
from lossweights.terms.channels import Channels, as_channels, pick, spelled
from lossweights.terms.per_sample import HostArguments, Term
from lossweights.terms.targets import Array, Targets


@keras.saving.register_keras_serializable(package="lossweights")
class OnChannels(Term):
    """A term on some channels of `y_true`: ``term(y_true[..., target], y_pred)``.

    See `reading`, which makes it.
    """

    mapped = True

    def __init__(
        self,
        term: Any,
        target: Channels | str | None = None,
        weight: Channels | str | None = None,
        extras: Mapping[str, Any] | None = None,
        **host: Unpack[HostArguments],
    ) -> None:
        self.target = None if target is None else as_channels(target, "target")
        self.weight = None if weight is None else as_channels(weight, "weight")
        self.extras = {name: as_channels(each, name) for name, each in (extras or {}).items()}
        self.term = as_term(term, host.get("name") or "reading")
        self._check()
        host["name"] = host.get("name") or self.term.name
        super().__init__(**host)
        self.link, self.axes = self.term.link, self.term.axes

    def _check(self) -> None:
        if isinstance(self.term, OnOutput | OnOutputs | OnChannels):
            raise TermError(
                f"Expected a term that reads one array. Found {type(self.term).__name__} "
                f"{self.term.name!r}. Write lw.terms.on(output, lw.terms.reading(term, ...))."
            )
        if isinstance(self.term, DistanceBoundary | HausdorffDistance) and self.target is None:
            raise TermError(
                f"Expected a term that reads plain masks, as no target= is named. Found "
                f"{type(self.term).__name__} {self.term.name!r}. Use terms that read the distance "
                f"map as they are, or name the channels of masks and maps."
            )
        if self.term.leaves_out and self._beside and self.target is None:
            raise TermError(
                f"Expected the channels of the target to be named where some may be unknown. Found "
                f"{self._beside} alone. Write lw.terms.reading(term, target=0, ...)."
            )
        function = getattr(self.term, "term", self.term)  # on known elements
        if self.extras and not isinstance(function, CustomLoss):
            raise TermError(
                f"Expected a function of y_true, y_pred and {list(self.extras)}, which are read "
                f"beside the target. Found {type(self.term).__name__}. Leave the extras out, or "
                f"name one weight= to weigh elements by it."
            )

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The value of the term on its channels of ``y_true``, shape ``(batch,)``."""
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        seen = self._known_target(self._target_of(y_true, y_pred), y_true)
        if element_weight is not None:
            element_weight = self._weights_of(element_weight, y_true, seen)
        if self.weight is not None:
            own = self._beside_target(y_true, self.weight)
            if element_weight is not None:
                own = own * expand_weight(element_weight, own)
            element_weight = own
        if not self.extras:
            return self.term.per_sample(seen, y_pred, element_weight)
        extras = {n: self._beside_target(y_true, each) for n, each in self.extras.items()}
        term: Any = self.term  # which takes them, as was checked
        return term.with_extras(extras).per_sample(seen, y_pred, element_weight)

    @property
    def _beside(self) -> dict[str, slice | list[int]]:
        """The channels that are read beside the target, by name."""
        return {**({} if self.weight is None else {"weight": self.weight}), **self.extras}

    def _known_target(self, seen: Tensor, y_true: Tensor) -> Tensor:
        """The target, unknown as well where what is read beside it is, if unknown ones may be."""
        if not self.term.leaves_out:
            return seen
        for channels in self._beside.values():
            unknown = ops.isnan(pick(y_true, channels))
            if unknown.shape[-1] != seen.shape[-1]:
                unknown = ops.any(unknown, axis=-1, keepdims=True)
            seen = ops.where(unknown, float("nan"), seen)
        return seen

    def _beside_target(self, y_true: Tensor, channels: slice | list[int]) -> Tensor:
        """Some channels; 1 where they are unknown, of which most functions have a value."""
        read = pick(y_true, channels)
        if not self.term.leaves_out:
            return read
        return ops.where(ops.isnan(read), ops.ones_like(read), read)

    def _target_of(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.target is not None:
            return pick(y_true, self.target)
        without_axis = len(y_pred.shape) == len(y_true.shape) - 1
        channels = 1 if without_axis else y_pred.shape[-1]
        if y_true.shape[-1] is not None and y_true.shape[-1] < channels:
            raise TermError(
                "Expected y_true to have at least the channels of y_pred. Found y_true of shape "
                f"{tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}. Give one target "
                "for each channel that the model predicts, or name the channels: target=."
            )
        return y_true[..., :channels]

    def seen_by_term(self, y_true: Tensor) -> Tensor:
        """The target alone; without named channels, all of what may be one."""
        return y_true if self.target is None else pick(as_float(y_true), self.target)

    def part_known(self, y_true: Tensor) -> Tensor | None:
        """That of the term, which sees its channels alone."""
        y_true = as_float(y_true)
        return self.term.part_known(self._known_target(self.seen_by_term(y_true), y_true))

    def _weights_of(self, weight: Tensor, y_true: Tensor, seen: Tensor) -> Tensor:
        """The weights of the target's elements among those of all channels."""
        if self.target is None:
            return first_channels(weight, seen)
        full = len(weight.shape) == len(y_true.shape) and weight.shape[-1] == y_true.shape[-1]
        return pick(weight, self.target) if full else weight

    def best_constant(self, targets: Targets) -> Array | None:
        """That of the term, which sees its channels alone."""
        return self.term.best_constant(targets.read())

    def read(self, targets: Targets) -> Targets:
        """Targets that know what this term reads of them."""
        return replace(targets, target=self.target, element_weight=self.weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, channels as texts; those that are not given left out."""
        config = super().get_config()
        given = {"target": self.target, "weight": self.weight}
        texts = {name: spelled(each) for name, each in given.items() if each is not None}
        for name in ("target", "weight", "extras"):
            config.pop(name)
        extras = {name: spelled(each) for name, each in self.extras.items()}
        return {**config, **texts, **({"extras": extras} if extras else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OnChannels":
        """The term that `get_config` described."""
        plain = {k: v for k, v in config.items() if k != "term"}
        term = keras.saving.deserialize_keras_object(config["term"])
        return cls(term, **plain)


# What earlier versions called a term that reads the first channels.
keras.saving.get_custom_objects()["lossweights>OnMask"] = OnChannels


def reading(
    term: Any,
    *,
    target: Channels | None = None,
    weight: Channels | None = None,
    **extras: Channels,
) -> OnChannels:
    """The ``term`` on some channels of ``y_true``, where that carries more than the target.

    What is known of a sample beside the value to be predicted, such as a price, a flag or a
    distance map, rides along as further channels of ``y_true``. On known elements (`known`, or
    ``missing="nan"`` in a sweep) an element is unknown to the term if any of this is NaN.

    Args:
        term: A term, or anything that a combined loss takes as one.
        target: The channels that are the term's ``y_true``: a number, ``slice(start, stop)`` or a
            list of numbers. ``None`` for the first ones, as many as ``y_pred`` has.
        weight: A channel that weighs the elements, or one for each channel of the target; as a
            ``sample_weight`` of that shape would.
        **extras: Channels that a function of the user's own gets beside ``y_true`` and ``y_pred``,
            by the names of its arguments.

    Returns:
        A term that reads the whole ``y_true``; its value is ``(batch,)``.

    Raises:
        TermError: ``term`` cannot be a term or reads no single array, channels are no numbers, or
            ``extras`` are given to what is no function; when it is called, ``y_true`` has no such
            channels.

    >>> y = [[3.0, 10.0], [5.0, 1.0]]  # a demand and its price
    >>> p = [[2.0], [2.0]]
    >>> float(reading("mae", target=0)(y, p))
    2.0
    >>> float(reading("mae", target=0, weight=1)(y, p))  # (10 * 1 + 1 * 3) / 2
    6.5
    >>> from keras import ops
    >>> lost = reading(lambda y, p, price: ops.relu(y - p) * price, target=0, price=1)
    >>> float(lost(y, p))
    6.5
    """
    return OnChannels(term, target, weight, extras)
