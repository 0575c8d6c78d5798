"""Strict JSON: what is written has no NaN, and what is read may come from anyone."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from lossweights.base.names import shown

# Strings as well, since brackets in them are text; one without an end goes on to the end. The
# possessive "*+" never tries a string twice: the time is linear, whatever the text.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

MAX_JSON_BYTES = 1 << 20
MAX_JSON_DEPTH = 16


def dump_json(value: Any) -> str:
    """Strict JSON text: no NaN or infinity, keys as given, two spaces, final newline.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=True, indent=2) + "\n"


def canonical_json(value: Any) -> bytes:
    """The one spelling of a value that hashes are taken of: sorted keys, no spaces."""
    return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def digest(value: Any) -> str:
    """A hash of a value that does not depend on how it is spelled.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()


def parse_json(
    data: bytes, *, max_bytes: int = MAX_JSON_BYTES, max_depth: int = MAX_JSON_DEPTH
) -> Any:
    """Read strict JSON from bytes that may come from anyone.

    Raises:
        ValueError: Not UTF-8, too large, too deep, a duplicate key, a number that is not finite,
            a lone surrogate, or not JSON. The message says which, and where if it is known.
    """
    if len(data) > max_bytes:
        raise ValueError(f"expected at most {max_bytes} bytes, found {len(data)}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected UTF-8, found byte 0x{data[error.start]:02x} at offset {error.start}"
        ) from None
    _check_depth(text, max_depth)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON, found {error.msg} at offset {error.pos}") from None
    _check_text(value)
    return value


def _check_depth(text: str, max_depth: int) -> None:
    """Bound the nesting before parsing, so that the parser's recursion is bounded too."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            if depth > max_depth:
                raise ValueError(
                    f"expected nesting of at most {max_depth}, found more at offset {token.start()}"
                )
        elif sign in "]}":
            depth -= 1


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"expected unique keys, found {shown(key)} twice")
        result[key] = value
    return result


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"expected finite numbers, found {constant}")


def _finite_float(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"expected finite numbers, found {shown(literal)}")
    return number


def _check_text(value: Any) -> None:
    """Refuse lone surrogates, which JSON escapes can smuggle in and UTF-8 cannot hold."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"expected text, found a lone surrogate in {shown(value)}") from None
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
