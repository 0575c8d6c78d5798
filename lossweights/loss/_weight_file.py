"""The file of a weight set: what is read, in every format that there was, and how it is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from lossweights.base.strict_json import canonical_json
from lossweights.loss.provenance import Provenance

FORMAT = "lossweights/weight-set"
VERSION = 2
MAX_BYTES = 1 << 20
MAX_DEPTH = 5  # file > provenance > measured > one data set > one metric
MAX_TERMS = 256
_FLOAT64_MAX = 1.7976931348623157e308  # a JSON integer may be larger

# What files of each format hold; later ones all that earlier ones do.
_FIRST = ("name", "weights", "relative", "scales", "terms", "metrics", "origin")
KEYS: Mapping[int, tuple[str, ...]] = {1: _FIRST, 2: (*_FIRST, "chosen", "provenance")}


def checksum(body: Mapping[str, Any]) -> str:
    """What the file says of all else that it holds."""
    return hashlib.sha256(canonical_json(body)).hexdigest()


def checked_fields(content: Any) -> dict[str, Any]:
    """The constructor's arguments from a parsed file, ``relative`` among them.

    Raises:
        ValueError: Says what was expected and found.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"expected an object with format {FORMAT!r}")
    version = content.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version not in KEYS:
        raise ValueError(f"expected a version up to {VERSION}, found {version!r:.80}; update "
                         f"lossweights")  # fmt: skip
    expected = {"format", "version", "sha256", *KEYS[version]}
    if set(content) != expected:
        raise ValueError(f"expected the keys {sorted(expected)}, found {sorted(content)}")
    body = {key: value for key, value in content.items() if key != "sha256"}
    if content["sha256"] != checksum(body):
        raise ValueError("expected the checksum of the content, found another: the file was "
                         "edited or damaged")  # fmt: skip
    _check(content)
    found = {key: content[key] for key in KEYS[version]}
    if "provenance" in found:
        found["provenance"] = Provenance.from_json(found["provenance"])
    return found


def _check(content: Mapping[str, Any]) -> None:
    name, terms = content["name"], content["terms"]
    if name is not None and not isinstance(name, str):
        raise ValueError(f"expected a text or null as name, found {name!r:.80}")
    for what in ("weights", "relative", "metrics"):
        _check_numbers(what, content[what])
    if len(content["weights"]) > MAX_TERMS:
        raise ValueError(f"expected at most {MAX_TERMS} terms, found {len(content['weights'])}")
    if content["scales"] is not None:
        _check_numbers("scales", content["scales"])
    for what in ("origin", "chosen"):
        _check_values(what, content.get(what, {}))
    if not isinstance(terms, dict) or not all(
        v is None or (isinstance(v, dict) and isinstance(v.get("class"), str))
        for v in terms.values()
    ):
        raise ValueError("expected null or an object with a class for each of the terms")


def _check_numbers(what: str, value: Any) -> None:
    if not isinstance(value, dict) or not all(map(_is_number, value.values())):
        raise ValueError(f"expected an object of plain numbers as {what}, found {value!r:.80}")


def _check_values(what: str, value: Any) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(v, str | bool) or _is_number(v) for v in value.values()
    ):
        raise ValueError(f"expected texts and numbers in {what}, found {value!r:.80}")


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= _FLOAT64_MAX
