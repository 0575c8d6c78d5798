"""An objective has a better end, and is sent that way; all else is refused at construction."""

import pytest

import lossweights as lw


class Middle(lw.metrics.Bias):
    """A metric of a user's own that is best in the middle."""

    direction = None
    default_name = "middle"


def sweep_with(metric, direction):
    """A sweep with that objective."""
    return lw.Sweep(
        name="objective",
        build_model=lambda: None,
        load_data=lambda: None,
        terms={"mse": "mse"},
        space={"mse": lw.LogUniform(0.1, 10.0)},
        metrics={"m": metric},
        objectives={"m": direction},
    )


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(
    "metric",
    [lw.metrics.Bias(), Middle(), lw.metrics.on("a", lw.metrics.Bias())],
    ids=["bias", "own", "on an output"],
)
def test_a_metric_without_a_better_end_is_no_objective(metric, direction):
    """A bias would be sent to minus infinity; it is said what to use."""
    with pytest.raises(lw.errors.ObjectiveError, match=r"neither end of \w+ is better.*Use"):
        sweep_with(metric, direction)


@pytest.mark.parametrize(
    ("metric", "worse"),
    [
        (lw.metrics.RMSE(), "maximize"),
        (lw.metrics.Dice(), "minimize"),
        (lw.metrics.on("a", lw.metrics.ServiceLevel()), "minimize"),
    ],
)
def test_a_metric_is_not_sent_to_its_worse_end(metric, worse):
    """The right way is named."""
    with pytest.raises(lw.errors.ObjectiveError, match="Turn it round"):
        sweep_with(metric, worse)
    assert sweep_with(metric, metric.direction).objectives == {"m": metric.direction}
