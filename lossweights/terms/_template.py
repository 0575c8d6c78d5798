"""Terms with arguments that a sweep samples: what stands for them until the sweep makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossweights.base.arguments import parameters
from lossweights.base.sampled import Sampled


class TermTemplate(Sampled):
    """A term that is not made yet, since an argument of it is sampled.

    It is what the constructor of a term gives for such an argument, as in
    ``Tversky(alpha=lw.Uniform(0.1, 0.9))``.

    Attributes:
        term: The class of the term.
        arguments: Those of its constructor, by name.
    """

    def __init__(self, term: type, args: tuple[Any, ...], arguments: Mapping[str, Any]) -> None:
        names = [name for name, each in parameters(term).items() if each.kind != each.KEYWORD_ONLY]
        self.term = term
        self.arguments = {**dict(zip(names, args, strict=False)), **arguments}

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.term.__name__}({said})"
