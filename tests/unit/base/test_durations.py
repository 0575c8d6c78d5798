"""Durations are read as people write them, and refused where they are none."""

import pytest

from lossweights.base.durations import seconds_of
from lossweights.base.errors import RecipeError


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2h", 7200), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), ("90s", 90), ("90", 90),
     ("1d2h3m4s", 93784), (" 2H ", 7200), (90, 90), (0.5, 0.5)],
)  # fmt: skip
def test_durations(written, seconds):
    """Days, hours, minutes and seconds, each with its letter; seconds may go without."""
    assert seconds_of("time_limit", written) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "h", "2 hours", "30m1h", "-1h", "0s", 0, -1, float("nan"), float("inf"), True, None],
)
def test_what_is_no_duration_is_refused(value):
    """With what was found."""
    with pytest.raises(RecipeError, match="Expected time_limit"):
        seconds_of("time_limit", value)
