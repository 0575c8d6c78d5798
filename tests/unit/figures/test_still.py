"""Figures as PNG files: what is in the figure is seen in the picture."""

import io
import subprocess
import sys

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.image import imread
from plotly.subplots import make_subplots

from lossweights.figures.still import draw_still

BLUE, ORANGE = (0, 114, 178), (230, 159, 0)


def pixels(figure):
    """The picture of a figure: height, width, and red, green and blue of 0 to 255."""
    data = draw_still(figure)
    assert data.startswith(b"\x89PNG")
    return (255 * imread(io.BytesIO(data))[..., :3]).round().astype(int)


def of_colour(picture, colour):
    """Where the picture has a colour."""
    return np.abs(picture - np.array(colour)).max(axis=2) < 30


def centre(mask):
    """The mean place of what is true, down and across in parts of the picture."""
    assert mask.any()
    return np.argwhere(mask).mean(axis=0) / mask.shape


def plain(**trace):
    """A trace of marks in blue."""
    return {"mode": "markers", "marker": {"color": "#0072B2", "size": 20}, **trace}


@pytest.mark.parametrize("kind", ["linear", "log"])
def test_marks_stand_where_their_values_are(kind):
    """On a logarithmic axis 10 is in the middle between 1 and 100; on another far left."""
    figure = go.Figure([
        go.Scatter(plain(x=[1, 100], y=[1, 1], marker={"color": "#E69F00"})),
        go.Scatter(plain(x=[10], y=[1])),
    ])  # fmt: skip
    figure.update_xaxes(type=kind)
    across = centre(of_colour(pixels(figure), BLUE)[60:])[1]
    assert (0.45 < across < 0.6) if kind == "log" else (across < 0.3)


def test_each_part_of_a_figure_is_drawn_in_its_place():
    """Two panels side by side, on axes of their own."""
    figure = make_subplots(rows=1, cols=2)
    figure.add_scatter(**plain(x=[1, 2], y=[1, 2]), row=1, col=1)
    figure.add_scatter(
        **plain(x=[1, 2], y=[1, 2], marker={"color": "#E69F00", "size": 20}), row=1, col=2
    )
    picture = pixels(figure)
    assert centre(of_colour(picture, BLUE))[1] < 0.5 < centre(of_colour(picture, ORANGE))[1]


def test_bars_are_stacked_downwards_where_they_are_negative():
    """A term that got worse hangs below those that took something off."""
    figure = go.Figure([
        go.Bar(x=["a"], y=[1.2], marker={"color": "#0072B2"}, name="mse"),
        go.Bar(x=["a"], y=[-0.2], marker={"color": "#E69F00"}, name="under"),
    ]).update_layout(barmode="relative")  # fmt: skip
    picture = pixels(figure)[80:]  # below the legend
    up, down = (centre(of_colour(picture, colour))[0] for colour in (BLUE, ORANGE))
    assert up < down


@pytest.mark.parametrize(
    "trace",
    [
        {"mode": "lines", "line": {"color": "#0072B2", "width": 8}},
        {"mode": "lines", "line": {"color": "#0072B2", "shape": "hv", "width": 8}},
        {"fill": "toself", "mode": "lines", "line": {"color": "#0072B2", "width": 8}},
        {"stackgroup": "shares", "mode": "lines", "line": {"color": "#0072B2"}},
    ],
    ids=["line", "steps", "band", "stack"],
)
def test_lines_bands_and_stacks_are_seen(trace):
    """Each kind of trace that our figures are made of leaves something."""
    figure = go.Figure(go.Scatter(x=[1, 2, 3], y=[1, 3, 1], **trace))
    assert (np.abs(pixels(figure)[80:] - 255).max(axis=2) > 60).sum() > 500


def test_names_are_shown_and_never_obeyed():
    """Markup of plotly's is taken off; what matplotlib would read as a formula is text."""
    texts = ["<b>knee</b>", r"$\frac{$", "a &lt; b", "_hidden"]
    trace = {"x": [1, 2, 3, 4], "y": [1, 2, 3, 4], "mode": "markers+text"}
    figure = go.Figure(go.Scatter(**trace, text=texts, textposition="top center", name=r"$\x$"))
    figure.update_xaxes(title_text=r"$\bad{$")
    assert pixels(figure).shape[1] > 1000


def test_an_empty_figure_is_an_empty_picture():
    """Nothing to draw is no error."""
    assert (pixels(go.Figure()) == 255).all()


def test_the_users_own_pyplot_is_not_loaded():
    """Drawing touches no backend, no open figure and no setting of his."""
    code = (
        "import sys, plotly.graph_objects as go\n"
        "from lossweights.figures.still import draw_still\n"
        "draw_still(go.Figure(go.Scatter(x=[1], y=[1])))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
