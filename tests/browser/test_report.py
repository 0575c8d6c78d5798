"""The report in a real browser: opened from disk, without network, as a person uses it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lossweights.records import Outcome
from lossweights.report.page import write_report
from lossweights.results.paste import loss_to_paste
from lossweights.results.result import SweepResult

from ..unit.samples import chosen_trials, finished, save_sweep
from .chrome import CHROMIUM, DRIVER, Chrome
from .made import made_up

# npm install --prefix build/axe axe-core, as .ci/run does; or say where its axe.min.js is.
AXE = Path(
    os.environ.get("AXE_CORE")
    or Path(__file__).parents[2] / "build/axe/node_modules/axe-core/axe.min.js"
)
READY = """
    return document.documentElement.dataset.ready
        && document.querySelector("[data-figure=front] .main-svg") ? true : false;
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None, reason="Chromium and chromedriver are not installed"
    ),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root with a sweep of sixty trials of three terms."""
    root = tmp_path_factory.mktemp("report") / "mlruns"
    made_up(root, 60)
    return root


@pytest.fixture(scope="module")
def result(root):
    """What that sweep found."""
    return SweepResult.read("made-up", root)


@pytest.fixture(scope="module")
def address(result, root):
    """The address of its report."""
    return write_report(result, root / "report.html", root=root).resolve().as_uri()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    """A browser for all pages."""
    with Chrome(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def page(chrome, address):
    """The report, just opened on a usual screen; it must not have complained at the end."""
    chrome.size(1440, 900)
    opened(chrome, address)
    yield chrome
    assert complaints(chrome) == []


def opened(chrome, address):
    """Open a page anew and wait until its front is drawn."""
    chrome.open("about:blank")
    chrome.console()
    chrome.open(address)
    chrome.wait_for(READY)


def complaints(chrome):
    """Errors on the console."""
    return [entry["message"] for entry in chrome.console() if entry["level"] == "SEVERE"]


def draw_all(chrome):
    """Have every chart drawn, as before printing."""
    chrome.run("dispatchEvent(new Event('beforeprint'))")
    chrome.wait_for(
        """
        return [...document.querySelectorAll(".chart")].every(chart =>
            !report.figures[chart.dataset.figure] || chart.querySelector(".main-svg"));
        """
    )


def click_at(chrome, x, y):
    """Press and release the mouse at a place on the screen."""
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        chrome.devtools(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
        )


def press(chrome, key):
    """Press a key, in what has the focus."""
    for kind in ("keyDown", "keyUp"):
        chrome.devtools("Input.dispatchKeyEvent", type=kind, key=key, code=key)


def selected(chrome):
    """The trial that each part of the page shows as selected."""
    return chrome.run(
        """
        const ring = name => {
            const chart = document.querySelector(`[data-figure=${name}]`);
            return chart.data.filter(t => t.name === "selected").map(t => t.customdata[0])[0];
        };
        const lines = document.querySelector("[data-figure=parallel]").data[0];
        return {
            front: ring("front"), weights: ring("weights"),
            line: lines.customdata[lines.line.color.indexOf(1)],
            coloured: new Set(lines.line.color).size,
            table: Number(document.querySelector("#trials tr.selected")?.dataset.trial),
            panel: document.querySelector("#panel-trial h3").textContent.split(",")[0],
            curves: document.querySelectorAll("#panel-trial .small-chart .main-svg").length > 0,
        };
        """
    )


def colours_of_lines(chrome):
    """How many colours the lines of the parallel coordinates have."""
    return chrome.run(
        """
        const lines = document.querySelector("[data-figure=parallel]").data[0].line;
        return new Set(lines.color).size;
        """
    )


@pytest.mark.parametrize("width", [390, 1440, 2560])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_chart_is_drawn_at_every_width(chrome, address, width, dark):
    """Without a console error, without loading anything, and nothing runs off the side."""
    chrome.size(width, 900, dark=dark)
    opened(chrome, address)
    draw_all(chrome)
    assert chrome.run("return document.documentElement.scrollWidth") <= width
    loaded = chrome.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith(("data:", "blob:"))] == []
    light = "rgb(255, 255, 255)"
    shown = chrome.run("return getComputedStyle(document.body).backgroundColor")
    assert (shown == light) is not dark
    assert complaints(chrome) == []


def test_the_first_screen_answers(page, result):
    """Sentence, front and a card for each pick are there without scrolling at 1440 x 900."""
    bottoms = page.run(
        """
        return [".sentence", "[data-figure=front]", ...document.querySelectorAll(".card")]
            .map(e => (typeof e === "string" ? document.querySelector(e) : e))
            .map(e => e.getBoundingClientRect().bottom);
        """
    )
    assert len(bottoms) == 2 + len(set(result.plot.scene.picks.values()))
    assert max(bottoms) <= 900
    text = page.run("return document.querySelector('[data-figure=front]').textContent")
    assert all(pick in text for pick in result.standard_picks)


def test_a_click_selects_a_trial_everywhere(page, result):
    """In every chart, in the table, and beside: its numbers, its curves, and the address."""
    draw_all(page)
    page.run("scrollTo(0, 0)")
    number = result.best_number("knee")
    x, y = page.run(
        f"""
        const chart = document.querySelector("[data-figure=front]");
        const row = trialByNumber.get({number}), box = chart.getBoundingClientRect();
        const {{xaxis, yaxis}} = chart._fullLayout;
        return [box.x + xaxis._offset + xaxis.d2p(row.rmse),
                box.y + yaxis._offset + yaxis.d2p(row.shortfall)];
        """
    )
    click_at(page, x, y)
    page.wait_for("return state.current !== null && document.querySelector('#panel-trial h3')")
    assert page.run("return state.current") == number
    page.run("table.rows = 1000; drawTable()")
    found = selected(page)
    assert found == {"front": number, "weights": number, "table": number, "line": number,
                     "coloured": 2, "panel": f"trial {number}", "curves": True}  # fmt: skip
    assert page.run("return location.hash") == f"#trial={number}"
    page.run("selectTrial(null)")
    assert colours_of_lines(page) > 2  # coloured by the first objective, as before


def test_the_keyboard_selects_too(page, result):
    """Arrows go along the front, from where the focus is in a chart; Escape ends it."""
    front = result.pareto["number"].tolist()
    page.run("document.querySelector('[data-figure=front]').focus()")
    for number in front[:3]:
        press(page, "ArrowRight")
        assert page.run("return state.current") == number
    press(page, "ArrowLeft")
    assert page.run("return state.current") == front[1]
    press(page, "Escape")
    assert page.run("return state.current") is None


def test_brushing_an_axis_chooses_trials_everywhere(page, result):
    """What is outside is dim in the front, and not in the table."""
    draw_all(page)
    page.run(
        """
        const chart = document.querySelector("[data-figure=parallel]");
        Plotly.restyle(chart, {"dimensions[0].constraintrange": [[[-1, 0]]]}, [0]);
        """
    )
    complete = result.plot.scene.complete
    inside = complete[complete["relative/under"].between(0.1, 1)]["number"].tolist()
    page.wait_for("return state.brushed !== null")
    assert sorted(page.run("return [...state.brushed]")) == inside
    rows = page.run("return [...document.querySelectorAll('#trials tr[data-trial]')].length")
    assert rows == len(inside)
    bright = page.run(
        """
        const traces = document.querySelector("[data-figure=front]").data
            .filter(t => t.name.startsWith("driven"));
        return traces.flatMap(t => t.selectedpoints.map(at => t.customdata[at]));
        """
    )
    assert sorted(bright) == inside


def test_the_page_predicts_what_python_predicts(page, result):
    """Middle and interval of each metric, at weights that were not tried."""
    surrogate = result.plot.surrogate
    for weights in ([0.3, 0.02], [1.0, 1.0], [20.0, 0.5]):
        for metric in surrogate.predictors:
            told = page.run(f"return predict({json.dumps(metric)}, {weights})")
            wanted = surrogate.predict(metric, np.array([weights]))
            ours = [told[key] for key in ("middle", "low", "high")]
            assert ours == pytest.approx([float(each[0]) for each in wanted], rel=1e-5)


def test_a_slider_moves_the_prediction(page):
    """With its uncertainty; beyond what was tried it is greyed out and said."""
    read = "return document.querySelector('#predicted').innerText"
    before = page.run(read)
    page.run("document.querySelector('#weight-0').focus()")
    for _ in range(3):
        press(page, "ArrowRight")
    moved = """
        const slider = document.querySelector("#weight-0");
        slider.value = PLACE; slider.dispatchEvent(new Event("input"));
    """
    page.run(moved.replace("PLACE", "0.5"))
    assert page.run(read) != before
    assert "(" in page.run(read)
    assert "Extrapolation" not in page.run(read)
    page.run(moved.replace("PLACE", "slider.max"))
    assert "Extrapolation" in page.run(read)


def test_pulling_an_outcome_names_weights_and_what_it_costs(page, result):
    """Predicted, and measured: the cheapest trial that has it."""
    page.run(
        """
        const row = document.querySelector('.wish[data-metric="shortfall"]');
        const number = row.querySelector("[type=number]");
        number.value = 5; number.dispatchEvent(new Event("input"));
        """
    )
    text = page.run("return document.querySelector('#pulled').innerText")
    assert "Predicted: shortfall at most 5 costs rmse " in text
    assert "weights under " in text
    complete = result.plot.scene.complete
    having = complete[complete["shortfall"] <= 5]
    cheapest = having.loc[having["rmse"].idxmin()]
    assert f"trial {cheapest['number']}, with shortfall {cheapest['shortfall']:.4g}" in text
    page.run(
        """
        const number = document.querySelector('.wish[data-metric="shortfall"] [type=number]');
        number.value = 0.0001; number.dispatchEvent(new Event("input"));
        """
    )
    text = page.run("return document.querySelector('#pulled').innerText")
    assert "No trial measured shortfall at most 0.0001." in text
    assert "No weights within what was tried" in text


def test_questions_lead_to_their_answers(page):
    """One click from the first screen; what this sweep cannot answer is not asked."""
    shown = """
        return [...document.querySelectorAll("nav a")].filter(link => link.offsetParent)
            .map(link => link.textContent);
    """
    asked = page.run(shown)
    assert "What does an outcome cost?" in asked
    assert "What is each term worth?" not in asked  # nothing was confirmed
    page.run("document.querySelector('nav a').click()")
    top = page.run("return document.querySelector('#pull').getBoundingClientRect().top")
    assert -1 < top < 100
    page.run("document.querySelector('#what-if').hidden = true; startQuestions()")
    assert "What does an outcome cost?" not in page.run(shown)


def test_copy_puts_the_line_on_the_clipboard(page, root):
    """The line that loads the pick."""
    page.devtools(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
    )
    x, y = page.run(
        """
        const box = document.querySelector(".card .copy").getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2];
        """
    )
    click_at(page, x, y)
    page.wait_for("return document.querySelector('.card .copy').textContent === 'copied'")
    page.run("navigator.clipboard.readText().then(text => { window.pasted = text; })")
    pasted = page.wait_for("return window.pasted")
    knee = SweepResult.read("made-up", root).best("knee")
    assert pasted == loss_to_paste(knee, root)


def test_names_and_reasons_inject_nothing(chrome, tmp_path):
    """Whatever a folder that somebody edited holds, the page shows it as text."""
    evil = '"><img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'
    trials = [
        *chosen_trials(f"hyper/{evil}", (evil, "tversky")),
        finished(12, outcome=Outcome.FAILED, reason=evil),
    ]
    for trial in trials:
        for report in trial.result.reports:
            report.metrics[evil] = float(trial.asked.number)
    save_sweep(
        tmp_path,
        trials,
        objectives={"rmse": "minimize", evil: "maximize"},
        space={f"ramp/{evil}": {"start": 0.0, "epochs": 3}},
        script=evil,
        sampler=evil,
        versions={evil: evil},
    )
    found = SweepResult.read("demand", tmp_path)
    hostile = replace(found, remark=f"{evil} was saved")
    path = write_report(hostile, tmp_path / "report.html", root=tmp_path)
    chrome.size(1440, 900)
    opened(chrome, path.resolve().as_uri() + "#trial=3")
    draw_all(chrome)
    chrome.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    for number in ("3", "12", "null"):
        chrome.run(f"selectTrial({number})")
        assert chrome.run("return window.hacked") is None
        assert chrome.run("return document.querySelectorAll('img').length") == 0
    assert complaints(chrome) == []
    for part in (".card", "#trials", "#pulled", "#failures", "#made", ".note"):
        text = f"return [...document.querySelectorAll({part!r})].map(e => e.innerText).join()"
        assert "onerror" in chrome.run(text), part


def test_what_was_chosen_is_in_view(chrome, tmp_path):
    """On the card, beside the selected trial, in the table and on an axis of its own."""
    terms = {"mse": {"class": "MeanSquaredError"}, "under": {"class": "Underestimation"}}
    save_sweep(tmp_path, chosen_trials(), terms=terms)
    path = write_report(SweepResult.read("demand", tmp_path), tmp_path / "report.html")
    chrome.size(1440, 900)
    opened(chrome, path.resolve().as_uri() + "#trial=5")
    draw_all(chrome)
    shown = {
        part: chrome.run(f"return document.querySelector({part!r}).textContent")
        for part in (".card", "#panel-trial", "#trials tr[data-trial='5']", "#trials thead")
    }
    lines = "document.querySelector('[data-figure=parallel]').data[0]"
    axes = chrome.run(f"return {lines}.dimensions.map(each => each.label)")
    assert "hyper/learning_rate" in shown[".card"]
    assert ".compile(model, optimizer)" in shown[".card"]
    assert "term/undertversky" in shown["#panel-trial"]
    assert "0.0032tversky0.35" in shown["#trials tr[data-trial='5']"]
    assert "term/under/tversky/alpha" in shown["#trials thead"]
    assert axes[1:4] == ["hyper/learning_rate", "term/under", "term/under/tversky/alpha"]
    assert complaints(chrome) == []


def test_names_on_a_phone_are_whole_and_parts_stand_below_each_other(chrome, tmp_path):
    """No name of a pick or of a baseline is cut by the side of the front."""
    trials = [finished(n, 50 + 0.1 * n**3, 60 / (1 + n), under=0.1 * 2**n) for n in range(12)]
    for n, trial in enumerate(trials):
        for report in trial.result.reports:
            report.metrics["bias"] = abs(n - 6.0)
    objectives = {"rmse": "minimize", "shortfall": "minimize", "bias": "minimize"}
    save_sweep(tmp_path, trials, objectives=objectives)
    path = write_report(SweepResult.read("demand", tmp_path), tmp_path / "report.html")
    chrome.size(390, 844)
    opened(chrome, path.resolve().as_uri())
    cut, tops = chrome.run(
        """
        const chart = document.querySelector("[data-figure=front]");
        const frame = chart.getBoundingClientRect();
        const names = [...chart.querySelectorAll(".textpoint text")].filter(e => e.textContent);
        const cut = names.map(e => [e.textContent, e.getBoundingClientRect()])
            .filter(([, box]) => box.left < frame.left + 20 || box.right > frame.right);
        const titles = [1, 2, 3].map(at => chart.querySelector(`.x${at > 1 ? at : ""}title`));
        return [cut.map(([text]) => text), titles.map(e => e.getBoundingClientRect().top)];
        """
    )
    assert cut == []
    assert tops == sorted(tops)
    assert tops[1] > tops[0] + 100


def test_what_an_outcome_costs_is_answered_before_anybody_asks(page):
    """Of the first pick's outcome; asking for another one drops that."""
    read = "return document.querySelector('#pulled').innerText"
    assert page.run(read).startswith("Predicted: shortfall at most ")
    page.run(
        """
        const number = document.querySelector('.wish[data-metric="rmse"] [type=number]');
        number.value = 80; number.dispatchEvent(new Event("input"));
        """
    )
    assert page.run(read).startswith("Predicted: rmse at most 80 costs shortfall ")


def test_in_print_both_panels_and_all_charts_are_there(chrome, address):
    """On white, without what only works on a screen."""
    chrome.size(1000, 900, dark=True, media="print")
    opened(chrome, address + "#trial=1")
    draw_all(chrome)
    shown = """
        return ["panel-picks", "panel-trial", "what-if"].map(id =>
            getComputedStyle(document.getElementById(id)).display !== "none");
    """
    assert chrome.run(shown) == [True, True, False]
    assert chrome.run("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(chrome, address, dark):
    """With a trial selected, and with the picks."""
    chrome.size(1440, 900, dark=dark)
    for place in ("", "#trial=1"):
        opened(chrome, address + place)
        draw_all(chrome)
        chrome.run(AXE.read_text(encoding="utf-8"))
        chrome.run("axe.run().then(found => { window.found = found.violations; })")
        found = chrome.wait_for("return window.found")
        serious = [
            (v["id"], [node["html"][:200] for node in v["nodes"][:3]])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []


@pytest.mark.slow
def test_a_report_of_two_thousand_trials_is_small(chrome, tmp_path):
    """Under 8 MB, and it draws."""
    made_up(tmp_path, 2000)
    path = write_report(SweepResult.read("made-up", tmp_path), tmp_path / "report.html")
    assert path.stat().st_size < 8_000_000
    chrome.size(1440, 900)
    opened(chrome, path.resolve().as_uri())
    assert complaints(chrome) == []
