"""Strict JSON: what is written is finite, what is read may be anything."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base import strict_json


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan]])
def test_numbers_that_are_not_finite_are_never_written(value):
    """Strict JSON has no NaN and no infinity."""
    with pytest.raises(ValueError):
        strict_json.dump_json({"x": value})
    with pytest.raises(ValueError):
        strict_json.canonical_json({"x": value})


HOSTILE_JSON = {
    "empty": b"",
    "spaces": b"  \n",
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "latin-1": '{"a": "é"}'.encode("latin-1"),
    "nul": b'{"a": "\0"}',
    "brackets": b"[" * 200_000,
    "braces": b'{"a":' * 200_000,
    "alternating": b'[{"a":' * 100_000,
    "too many digits": b"1" * 10_000,
    "huge exponent": b'{"a": 1e999}',
    "minus infinity": b'{"a": -1e999}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "duplicate key": b'{"a": 1, "a": 2}',
    "escaped duplicate key": b'{"a": 1, "\\u0061": 2}',
    "nested duplicate key": b'[{"a": {"b": 1, "b": 1}}]',
    "surrogate": b'{"a": "\\ud800"}',
    "surrogate in key": b'{"\\udfff": 1}',
    "surrogate in list": b'[["\\ud800x"]]',
    "trailing comma": b'{"a": 1,}',
    "trailing text": b"{} {}",
    "comment": b"{} // no",
    "single quotes": b"{'a': 1}",
    "python literal": b"__import__('os')",
}


@pytest.mark.parametrize("data", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_hostile_json_is_a_value_error(data):
    """Whatever is not strict JSON ends as a ValueError with a short message."""
    with pytest.raises(ValueError) as raised:
        strict_json.parse_json(data)
    assert len(str(raised.value)) < 300


def test_too_many_bytes_are_refused_before_parsing():
    """The size is bounded, and exactly the bound is still read."""
    text = json.dumps("x" * 98).encode()
    assert strict_json.parse_json(text, max_bytes=100) == "x" * 98
    with pytest.raises(ValueError, match="at most 99 bytes, found 100"):
        strict_json.parse_json(text, max_bytes=99)


@pytest.mark.parametrize("depth", [1, 3, 16])
def test_depth_is_bounded_exactly(depth):
    """The deepest allowed nesting is read, one more is refused with its offset."""
    deepest = b"[" * depth + b"]" * depth
    strict_json.parse_json(deepest, max_depth=depth)
    with pytest.raises(ValueError, match=f"at offset {depth}"):
        strict_json.parse_json(b"[" + deepest + b"]", max_depth=depth)


def test_brackets_in_strings_are_no_depth():
    """Only structure counts as depth, whatever texts hold and however they are escaped."""
    value = {"[[[[": ['\\"[[[[{{', "\\", "]]]]"]}
    assert strict_json.parse_json(json.dumps(value).encode(), max_depth=2) == value


texts = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_survives_a_round_trip(value):
    """What is written is read back equal, to the last bit of every float."""
    assert strict_json.parse_json(strict_json.dump_json(value).encode(), max_depth=99) == value


@given(st.binary(max_size=200))
def test_random_bytes_never_do_more_than_fail(data):
    """No bytes raise anything but ValueError."""
    with contextlib.suppress(ValueError):
        strict_json.parse_json(data)


def test_canonical_json_does_not_depend_on_order():
    """Equal mappings have one spelling."""
    assert strict_json.canonical_json({"b": 1, "a": [1.0, None]}) == b'{"a":[1.0,null],"b":1}'
