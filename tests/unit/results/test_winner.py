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
    val = {"rmse": 1.25, "hd95": float("nan"), "bias": float("-inf")}
    model = {"file": "knee.keras", "sha256": "0" * 64}
    write_winner(folder, WinnerRecord(val, "The saved winner is another.", "knee", 3, model))
    said = ("The saved winner is another.", "knee", 3, model)
    assert read_winner(folder) == WinnerRecord({"rmse": 1.25}, *said)
    assert SweepResult.read("demand", root).remark == "The saved winner is another."


def test_a_file_of_an_earlier_version_is_read(root):
    """It has another name, and metrics on test data, which a confirmation measures now."""
    folder = save_sweep(root, [])
    old = '{"trial": 1, "metrics": {"rmse": 1.0}, "val": {"rmse": 2.0}, "remark": "Another."}'
    (folder / "test.json").write_text(old)
    assert read_winner(folder) == WinnerRecord({"rmse": 2.0}, "Another.", trial=1)
    write_winner(folder, WinnerRecord({"rmse": 3.0}, trial=1))
    assert read_winner(folder) == WinnerRecord({"rmse": 3.0}, trial=1)


@pytest.mark.parametrize("content", ["", "[]", '{"val": 3}', '{"val": {"a": "x"}}'])
def test_a_damaged_file_is_named(root, content):
    """It is a StoreError with its path."""
    folder = save_sweep(root, [])
    (folder / "winner.json").write_text(content)
    with pytest.raises(StoreError, match=r"winner\.json"):
        read_winner(folder)
