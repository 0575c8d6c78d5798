"""The points of MLflow's charts."""

from lossweights.records import EpochReport
from lossweights.tracking._points import report_points

MAGNITUDES = {"mse": 2.0, "under": 4.0}


def test_weights_that_move_are_charted_and_count_where_they_were_in_force():
    """With adaptive weighting each epoch has its own; fixed ones are a parameter, and no chart."""
    start = {"mse": 1.0, "under": 1.0}
    moved = EpochReport(
        3, MAGNITUDES, MAGNITUDES, {"rmse": 1.0}, weights={"mse": 0.5, "under": 1.5}
    )
    found = {point.key: (point.value, point.step) for point in report_points(start, [moved], [0])}
    assert found["6 weight/mse"] == (0.5, 3)
    assert found["3 weighted/under"] == (6.0, 3)
    fixed = EpochReport(3, MAGNITUDES, MAGNITUDES, {"rmse": 1.0})
    assert not [p.key for p in report_points(start, [fixed], [0]) if "weight/" in p.key]
