"""A method as plain JSON, for manifests, messages and journals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lossweights.base.errors import WeightError
from lossweights.loss.adaptive._dwa import DWA
from lossweights.loss.adaptive._encodec import EnCodec
from lossweights.loss.adaptive._gradnorm import GradNorm
from lossweights.loss.adaptive._method import Method
from lossweights.loss.adaptive._relobralo import ReLoBRaLo
from lossweights.loss.adaptive._softadapt import SoftAdapt
from lossweights.loss.adaptive._uncertainty import Uncertainty

_METHODS: Mapping[str, Any] = {
    kind.__name__.lower(): kind
    for kind in (DWA, EnCodec, GradNorm, ReLoBRaLo, SoftAdapt, Uncertainty)
}


def method_json(method: Method) -> dict[str, Any]:
    """A method as plain JSON values: its name and what it was configured with.

    Raises:
        WeightError: It is none of `lw.adaptive`.

    >>> method_json(DWA(temperature=1.0))
    {'name': 'dwa', 'temperature': 1.0}
    """
    if type(method) not in _METHODS.values():
        raise WeightError(
            f"Expected a method of lw.adaptive, which JSON can describe. Found {method!r}. "
            f"Use one of {sorted(_METHODS)}."
        )
    return {"name": method.name, **asdict(method)}  # type: ignore[call-overload]


def method_of(value: Mapping[str, Any]) -> Method:
    """The method that `method_json` described.

    Raises:
        WeightError: It describes none.
    """
    given = dict(value)
    kind = _METHODS.get(given.pop("name", None))
    try:
        found: Method = kind(**given)  # type: ignore[misc]
    except TypeError as error:
        raise WeightError(
            f"Expected the description of a method of lw.adaptive. Found {dict(value)!r}. "
            f"Use one of {sorted(_METHODS)}."
        ) from error
    return found
