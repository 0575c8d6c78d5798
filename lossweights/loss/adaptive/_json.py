"""Methods as plain JSON values, for the records of a sweep and for worker processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lossweights.base.errors import LossweightsError, WeightError
from lossweights.loss.adaptive._dwa import DWA
from lossweights.loss.adaptive._encodec import EnCodec
from lossweights.loss.adaptive._gradnorm import GradNorm
from lossweights.loss.adaptive._method import Method
from lossweights.loss.adaptive._relobralo import ReLoBRaLo
from lossweights.loss.adaptive._softadapt import SoftAdapt
from lossweights.loss.adaptive._uncertainty import Uncertainty

# Reading a method imports nothing by a name that stands in a file: these are all there are.
_KINDS = {
    kind.__name__: kind for kind in (DWA, EnCodec, GradNorm, ReLoBRaLo, SoftAdapt, Uncertainty)
}
# Arguments that came later: left out at their usual value, records are what they were before.
_LATER = {"learned": False}


def method_json(method: Method) -> dict[str, Any]:
    """A method as plain JSON values, from which `method_of` makes an equal one.

    Args:
        method: One of `lossweights.loss.adaptive`.

    Returns:
        ``"method"``, the name of its class, and its arguments.

    Raises:
        WeightError: It is something else, such as a method of one's own, which no file can hold.

    >>> method_json(DWA())
    {'method': 'DWA', 'temperature': 2.0}
    """
    kind = type(method).__name__
    if _KINDS.get(kind) is not type(method):
        raise WeightError(
            f"Expected a method of lw.adaptive, one of {sorted(_KINDS)}. Found {method!r}. Train "
            f"with others in plain Keras, by lw.adaptive.schedule(loss, method, probe=(x, y))."
        )
    fields = [each.name for each in dataclasses.fields(method)]
    given = {name: _plain(getattr(method, name)) for name in fields}
    usual = {name for name, value in _LATER.items() if given.get(name) is value}
    return {"method": kind, **{name: v for name, v in given.items() if name not in usual}}


def method_of(value: Mapping[str, Any]) -> Method:
    """The method that `method_json` described.

    Args:
        value: What it gave; arguments that are left out are the usual ones.

    Raises:
        WeightError: It describes no method, or one with arguments that it does not take.

    >>> method_of({"method": "DWA", "temperature": 3.0})
    DWA(temperature=3.0)
    """
    kind = _KINDS.get(str(value.get("method"))) if isinstance(value, Mapping) else None
    if kind is None:
        raise WeightError(
            f"Expected a method of adaptive weighting, described by 'method': one of "
            f"{sorted(_KINDS)}. Found {value!r}. Write it with method_json(lw.adaptive.DWA())."
        )
    arguments = {name: given for name, given in value.items() if name != "method"}
    try:
        return kind(**arguments)
    except (LossweightsError, TypeError) as error:
        raise WeightError(
            f"Expected arguments that {kind.__name__} takes. Found {arguments!r}: {error} Write it "
            f"with method_json(lw.adaptive.{kind.__name__}())."
        ) from error


def _plain(value: Any) -> Any:
    """An argument as JSON holds it; NumPy's numbers become Python's."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value.item() if hasattr(value, "item") else value
