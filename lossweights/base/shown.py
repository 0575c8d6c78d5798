"""How objects show themselves: a short line that says how to make one, and HTML for notebooks."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lossweights.base.arguments import kept_arguments, parameters

LONGEST = 60  # characters of one argument

# Names that Keras makes up where none is given, and a type that is nearly always its own.
_HOST = ("name", "dtype")


def call(of: str, /, *values: Any, **named: Any) -> str:
    """A call as one would write it, with long arguments cut short.

    >>> call("WeightSet", {"mse": 1.0}, name=None)
    "WeightSet({'mse': 1.0}, name=None)"
    """
    arguments = [*map(short, values), *(f"{key}={short(value)}" for key, value in named.items())]
    return f"{of}({', '.join(arguments)})"


def call_of(instance: object) -> str:
    """The call that makes such an object: the arguments that it keeps and that are not the usual.

    >>> class Pinball:
    ...     def __init__(self, quantile, scale=1.0):
    ...         self.quantile, self.scale = quantile, scale
    >>> call_of(Pinball(0.9))
    'Pinball(quantile=0.9)'
    """
    usual = {name: parameter.default for name, parameter in parameters(type(instance)).items()}
    kept = kept_arguments(instance)
    given = {k: v for k, v in kept.items() if k not in _HOST and not _is(v, usual[k])}
    return call(type(instance).__name__, **given)


def short(value: Any, longest: int = LONGEST) -> str:
    """A value in one line of bounded length; of an array its shape, of a function its name.

    >>> short({"a": len, "b": [1.0, 2.0]})
    "{'a': len, 'b': [1.0, 2.0]}"
    """
    text = _plain(value)
    return text if len(text) <= longest else f"{text[: longest - 4]}...{text[-1]}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_plain(each)}' for key, each in value.items())}}}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"<{' x '.join(map(str, shape))}>"
    if inspect.isroutine(value) or isinstance(value, type):
        return str(value.__name__)
    text = " ".join(repr(value).split())
    # What an object at some address is, its class alone says.
    return f"{type(value).__name__}()" if " object at 0x" in text else text


def _is(value: Any, usual: Any) -> bool:
    return value is usual or (type(value) is type(usual) and bool(value == usual))


def in_angles(said: object) -> str:
    """The ``repr`` of what is printed as a sentence: the sentence, and what says it."""
    return f"<{type(said).__name__}: {said}>"


def paragraph(text: str) -> str:
    """A paragraph of HTML; nothing in the text is taken for markup."""
    return f"<p>{html.escape(text)}</p>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML, as notebooks show those of pandas.

    >>> table(["a < b"], [["1"]])
    '<table><thead><tr><th>a &lt; b</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{html.escape(each)}</th>" for each in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def code(line: str) -> str:
    """A line of code in HTML, to be copied."""
    return f"<pre>{html.escape(line)}</pre>"


def as_text(message: str) -> str:
    """A message that may hold anything as text that every file and database takes."""
    return message.encode("utf-8", "backslashreplace").decode("utf-8")
