"""Pictures of a result: what is drawn is what was measured, and names cannot inject anything."""

from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import lossweights as lw
from lossweights.figures._names import Names
from lossweights.figures.still import draw_still
from lossweights.figures.style import axis, label, scale
from lossweights.figures.weights import draw_weights
from lossweights.records import Outcome
from lossweights.results.result import SweepResult

from ..samples import chosen_trials, finished, save_sweep

RATIOS = np.geomspace(0.01, 100, 24)
NAMES = ("front", "weights", "curves", "drive", "importance", "parallel", "what_if")


def result_of(root, trials=None, **changes):
    """A sweep whose shortfall falls over three decades as its rmse rises."""
    made = trials or [
        finished(n, 50 + 10 * n**0.5, 60 / (1 + ratio), under=float(ratio), kind=kind)
        for n, (ratio, kind) in enumerate(zip(RATIOS, ["baseline"] + ["trial"] * 23, strict=True))
    ]
    save_sweep(root, made, **changes)
    return SweepResult.read("demand", root)


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_a_plotly_figure(root, name):
    """With data in it, which a person restyles as any figure."""
    figure = getattr(result_of(root).plot, name)()
    assert isinstance(figure, go.Figure)
    assert figure.data
    if name != "parallel":  # the only one that MLflow gets no PNG file of
        assert draw_still(figure).startswith(b"\x89PNG")
    figure.update_layout(title="mine")


@pytest.mark.parametrize(
    "trials",
    [
        [finished(0, outcome=Outcome.FAILED, reason="boom")],
        [finished(0)],
        [finished(0), finished(1)],
        [finished(0, 1.0, 2.0, under=0.0), finished(1, 2.0, 1.0, under=1.0)],
    ],
    ids=["failed", "one", "alike", "a weight of 0"],
)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "curves"])
def test_every_picture_of_any_sweep(root, name, trials):
    """None fails for want of trials."""
    assert isinstance(getattr(result_of(root, trials).plot, name)(), go.Figure)


def test_the_front_names_picks_and_baselines(root, monkeypatch):
    """Each pick at its trial, and what was trained beside the space by its name."""
    beside = pd.DataFrame([{"name": "today", "rmse": 70.0, "shortfall": 9.0}])
    monkeypatch.setattr(SweepResult, "baselines", beside, raising=False)
    result = result_of(root)
    figure = result.plot.front()
    (picks,) = [trace for trace in figure.data if trace.name == "picks"]
    assert "".join(picks.text).count("<b>") == len(set(picks.customdata))
    for pick in result.standard_picks:
        at = list(picks.customdata).index(result.best_number(pick))
        assert pick in picks.text[at]
    (baselines,) = [trace for trace in figure.data if trace.name == "baselines"]
    assert (baselines.text, baselines.x, baselines.y) == (("today",), (70.0,), (9.0,))
    assert figure.layout.yaxis.type == "log"  # 60 to 0.6
    assert figure.layout.xaxis.type == "linear"  # 50 to 98


def test_what_lies_far_off_does_not_make_a_dot_of_the_front(root):
    """Twenty masks that are alike and two that failed: the axis shows the twenty, and the front."""
    dice = [0.95 + 0.001 * n for n in range(20)] + [0.4, 0.5]
    trials = [finished(n, value, 1.0 + n % 7, under=1.0 + n) for n, value in enumerate(dice)]
    goals = {"rmse": "maximize", "shortfall": "minimize"}
    result = result_of(root, trials, objectives=goals)
    low, high = result.plot.front().layout.xaxis.range
    assert 0.9 < low < result.pareto["rmse"].min() <= result.pareto["rmse"].max() < high


def test_names_of_points_that_are_near_do_not_cover_each_other():
    """Eight of them around one point: each has a place of its own; what is first is kept alone."""
    axis = ("linear", [0.0, 1.0])
    names = Names(axis, axis, [(0.5, 0.5)])
    places = [names.place(0.5, 0.5, "name", "top left") for _ in Names.PLACES]
    assert places[0] == "top left"
    assert sorted(places) == sorted(Names.PLACES)
    assert Names(axis, axis, []).place(0.001, 0.5, "a long name", "middle left") != "middle left"


def test_the_map_has_a_band_where_the_lead_changes(root):
    """It is the bracket of the flip."""
    drivers = ["mse"] * 12 + ["under"] * 12
    trials = [
        finished(n, 1.0 + n, 30.0 - n, under=float(r), driver=d)
        for n, (r, d) in enumerate(zip(RATIOS, drivers, strict=True))
    ]
    result = result_of(root, trials)
    (flip,) = result.sweep_verdict.flips
    assert flip.kind == "flips"
    (band,) = [t for t in result.plot.weights().data if "overtakes" in t.name]
    assert (min(band.x), max(band.x)) == (flip.low, flip.high)


def test_lines_go_through_what_was_chosen(root):
    """An axis each; a weight that is off, and a number that plays no part, stand below it."""
    lines = result_of(root, chosen_trials()).plot.parallel().data[0]
    axes = {axis.label: axis for axis in lines.dimensions}
    assert list(lines.customdata) == list(range(12))
    assert list(axes) == [
        *("weight of under", "hyper/learning_rate", "term/under", "term/under/tversky/alpha"),
        *("rmse", "shortfall"),
    ]
    off, alpha = axes["weight of under"], axes["term/under/tversky/alpha"]
    assert off.ticktext[0] == "off"
    assert off.values[3] == off.tickvals[0] == min(off.values) < -1
    assert alpha.ticktext[0] == "none"
    assert [value == alpha.tickvals[0] for value in alpha.values[:4]] == [True, False, True, False]
    assert axes["term/under"].ticktext == ("dice", "tversky")
    assert axes["term/under"].values[:2] == (0.0, 1.0)


def test_a_trial_that_is_pointed_at_says_what_was_chosen(root):
    """With names that are safe to show."""
    trials = chosen_trials("hyper/<b>", ("<i>", "tversky"))
    text = result_of(root, trials).plot.front().data[0].hovertext[0]
    assert "hyper/&lt;b&gt; 0.0001<br>term/under &lt;i&gt;<br>driven by" in text


def test_names_find_room_in_a_narrow_picture_too(root):
    """Those of points at its left edge stand to the right."""
    names = Names(("linear", [0.0, 1.0]), ("linear", [0.0, 1.0]), [], (280.0, 300.0))
    assert "right" in names.place(0.02, 0.5, "without:boundary", "bottom left")


def test_bands_do_not_widen_the_map(root):
    """One bracket may reach far beyond what was tried."""
    drivers = ["mse"] * 12 + ["under"] * 12
    trials = [
        finished(n, 1.0 + n, 30.0 - n, under=float(r), driver=d)
        for n, (r, d) in enumerate(zip(RATIOS, drivers, strict=True))
    ]
    scene = result_of(root, trials).plot.scene
    (flip,) = scene.flips
    figure = draw_weights(replace(scene, flips=[replace(flip, low=1.0, high=1e9)]))
    assert figure.layout.xaxis.range == pytest.approx([-2.32, 2.32])


def test_curves_of_a_trial_that_is_not_there(root):
    """The error says which there are."""
    with pytest.raises(lw.errors.PickError, match=r"Found 99; there are 0 to 23"):
        result_of(root).plot.curves(99)


def test_axes_are_logarithmic_where_the_spread_asks_for_it():
    """Decades do; a ratio of two does not, nor anything with a zero in it."""
    assert scale([0.7, 8.0, 60.0]) == "log"
    assert scale([49.0, 60.0, 99.0]) == "linear"
    assert scale([1.0, 1.1, 1.2, 1.3, 1.4, 6.0]) == "log"  # squeezed into a corner
    assert scale([0.0, 1.0, 1000.0]) == "linear"
    assert axis("log", [0.01, 100.0])["ticktext"] == ["0.01", "0.1", "1", "10", "100"]


def test_names_are_shown_as_they_are():
    """Plotly reads links in texts."""
    assert label('<a href="javascript:alert(1)">') == '&lt;a href="javascript:alert(1)"&gt;'
