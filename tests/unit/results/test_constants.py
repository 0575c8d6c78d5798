"""What each objective is for the best constant prediction, kept in the sweep folder."""

import pytest

from lossweights.base.errors import StoreError
from lossweights.results.constants import read_constants, write_constants


def test_what_is_kept_is_read(tmp_path):
    """Also where no perfect value is known; a folder of an earlier version has none."""
    assert read_constants(tmp_path) == {}
    along = [2.5, 1.5, 2.5]
    known = {
        "rmse": {"value": 1.5, "perfect": 0.0, "along": along},
        "own": {"value": -2.0, "perfect": None},
    }
    write_constants(tmp_path, known)
    assert read_constants(tmp_path) == known


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rmse": 1}', '{"rmse": {"value": "x"}}'])
def test_a_damaged_file_is_named(tmp_path, text):
    """As any other of the folder."""
    (tmp_path / "constants.json").write_text(text)
    with pytest.raises(StoreError, match=r"constants\.json"):
        read_constants(tmp_path)
