"""What is known of the winner survives, and is read from folders of earlier versions."""

import pytest

from lossweights.base.errors import StoreError
from lossweights.results.result import SweepResult
from lossweights.results.winner import WinnerRecord, read_winner, write_winner

from ..samples import finished, save_sweep


def test_it_survives_and_what_is_not_finite_is_left_out(root):
    """Metrics and the remark are read back; without a file there are none."""
    folder = save_sweep(root, [finished(0)])
    assert read_winner(folder) == WinnerRecord()
    test = {"rmse": 1.5, "hd95": float("nan"), "bias": float("-inf")}
    write_winner(folder, 3, WinnerRecord(test, {"rmse": 1.25}, "The saved winner is another."))
    assert read_winner(folder) == WinnerRecord(
        {"rmse": 1.5}, {"rmse": 1.25}, "The saved winner is another."
    )
    result = SweepResult.read("demand", root)
    assert (result.test, result.remark) == ({"rmse": 1.5}, "The saved winner is another.")


def test_a_file_of_an_earlier_version_is_read(root):
    """It has the metrics on test data alone."""
    folder = save_sweep(root, [])
    (folder / "test.json").write_text('{"trial": 1, "metrics": {"rmse": 1.0}}')
    assert read_winner(folder) == WinnerRecord({"rmse": 1.0})


@pytest.mark.parametrize("content", ["", "[]", '{"metrics": 3}', '{"metrics": {"a": "x"}}', "{}"])
def test_a_damaged_file_is_named(root, content):
    """It is a StoreError with its path."""
    folder = save_sweep(root, [])
    (folder / "test.json").write_text(content)
    with pytest.raises(StoreError, match=r"test\.json"):
        read_winner(folder)
