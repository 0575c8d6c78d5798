"""Names are plain ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base.errors import InvalidName
from lossweights.base.names import check_name

BAD_NAMES = [
    "",
    ".",
    "..",
    "-rf",
    "_x",
    ".hidden",
    "a/b",
    "../x",
    "/etc/x",
    "a\\b",
    "a\0b",
    "a\n",
    "\na",
    "a b",
    "a..b",
    "a.",
    "x" * 65,
    "x" * 600,
    "é",
    "a\u202eb",
    "\ud800",
    "CON",
    "con.txt",
    "nul",
    "LPT1",
    "com9.json",
    "\u0661",  # a digit, but not one of ours
    None,
    3,
    b"bytes",
    ["list"],
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_bad_names_are_refused(name):
    """What is not a plain name is refused with a message that prints anywhere and stays short."""
    with pytest.raises(InvalidName) as raised:
        check_name(name, "sweep")
    message = str(raised.value)
    assert message.isascii()
    assert len(message) < 400
    assert "Expected" in message
    assert "Found" in message


@pytest.mark.parametrize("name", ["a", "bike-demand", "A.b_c-1", "0", "x" * 64, "console", "com10"])
def test_plain_names_pass(name):
    """A plain name comes back as it is."""
    assert check_name(name, "sweep") == name


@given(st.text(max_size=70))
def test_accepted_names_are_one_path_segment(name):
    """Whatever passes as a name stays where it is put, on every system's rules."""
    try:
        check_name(name, "sweep")
    except InvalidName:
        return
    assert name.isascii()
    assert Path(name).name == name
    assert not set(name) & set('<>:"/\\|?* \0')
