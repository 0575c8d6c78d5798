"""The report: one HTML file that needs nothing else, for every sweep there can be."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from lossweights.base.errors import PickError, StoreError
from lossweights.cli._json import report_entry
from lossweights.records import Outcome
from lossweights.report._cards import cards
from lossweights.report._data import page_data
from lossweights.report._made import how_made
from lossweights.report._tables import tables
from lossweights.report.page import render, write_report
from lossweights.results.result import SweepResult

from ..results.contests import contest, contestant
from ..samples import chosen_trials, finished, save_sweep
from .test_summary import with_baselines

TRIALS = [
    finished(0, 3.0, 1.0),
    finished(1, 1.0, 3.0, driver="under", under=2.0),
    finished(2, 1.5, 1.5),
    finished(3, outcome=Outcome.DIVERGED),
]


class Page(HTMLParser):
    """What a browser would load from elsewhere, links within, texts, and open tags."""

    VOID = ("meta", "br", "link", "img", "hr", "input")

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.places, self.texts, self.open = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        """Note what the tag would load."""
        names = dict(attributes)
        found = [names[key] for key in ("src", "href", "srcset", "data") if names.get(key)]
        self.links += [target[1:] for target in found if target.startswith("#")]
        self.loads += [target for target in found if not target.startswith("#")]
        self.places += [names["id"]] if "id" in names else []
        if tag in ("link", "iframe", "img", "object", "embed"):
            self.loads.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Tags are closed in the order they were opened."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep what a reader sees."""
        if "script" not in self.open and "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self):
        """All that a reader sees, in one line."""
        return " ".join(" ".join(self.texts).split())


def read(root, trials=TRIALS, **changes):
    """The result of a sweep with these trials."""
    save_sweep(root, trials, **changes)
    return SweepResult.read("demand", root)


def test_the_proof_is_in_the_report(root):
    """The sentence, every contestant with its difference and chance, worth, and what was said."""
    noise = [0.0, 0.1, -0.1, 0.05, 0.02]
    numbers = {
        "knee": {"rmse": [8.0 + n for n in noise], "shortfall": [5.0] * 5},
        "equal": {"rmse": [9.0 + n / 2 for n in noise], "shortfall": [5.0] * 5},
        "without:mse": {"rmse": [9.5 + n / 3 for n in noise], "shortfall": [5.0] * 5},
    }
    result = read(root)
    knee = contestant("knee", 1.0, 4.0, trial=result.best_number("knee"))
    result = replace(result, contest=contest(numbers, knee=knee))
    page = Page(render(result))
    assert page.open == []
    for needed in result.proof.needs:
        assert page.text.count(needed) == 2  # at the top, and above its numbers
    assert page.text.index("Is each term needed? mse is needed: ") < page.text.index("Trade-off")
    assert page.text.index(result.verdict) < page.text.index("Is it better? knee (trial 2)")
    assert set(page.links) <= set(page.places)
    assert {"worth", "confirmation"} <= set(page.links)
    assert "confirmed: rmse 8.01 ± 0.12, shortfall 5 ± 0" in page.text  # on its card
    assert "knee (trial 2) is better than equal weights by 11 % of rmse" in page.text
    assert "rmse against the best baseline best in rmse" in page.text
    assert "-0.993 (" in page.text
    assert "What each term is worth" in page.text
    assert "What the sweep said, and what is so" in page.text
    assert "Not confirmed: knee" in Page(render(read(root))).text


def test_where_nobody_can_say_the_report_says_what_to_do(root):
    """A term of which five noisy seeds tell nothing: more seeds, by a line to paste."""
    numbers = {
        "equal": {"rmse": [8.0, 9.0, 7.0, 8.5, 7.5], "shortfall": [5.0, 5.5, 4.5, 5.2, 4.8]},
        "without:mse": {"rmse": [9.0, 7.0, 8.0, 7.5, 8.6], "shortfall": [5.2, 4.4, 5.4, 4.7, 5.3]},
    }
    page = Page(render(replace(read(root), contest=contest(numbers))))
    assert "Nobody can say whether mse is needed" in page.text
    assert "lossweights confirm demand --seeds 10" in page.text


@pytest.mark.parametrize("trial", [None, 0], ids=["beside the trials", "a trial"])
def test_a_promoted_baseline_is_shown_wherever_a_pick_is(root, trial):
    """On its card first, in JSON, in a notebook; pictures show the sweep's own pick instead."""
    steady = {"rmse": [8.0, 8.1, 7.9, 8.0, 8.2], "shortfall": [5.0, 5.1, 4.9, 5.0, 4.8]}
    result = read(root)
    knee = contestant("knee", 1.0, 4.0, trial=result.best_number("knee"))
    equal = contestant("equal", trial=trial, role="baseline")
    entered = contest({"knee": steady, "equal": steady}, knee=knee, equal=equal)
    result = replace(result, contest=entered)
    assert result.first_pick == "equal"
    first, second = cards(result, root)[:2]
    assert first.picks.startswith("equal (promoted)")
    assert first.trial == trial
    assert second.trial == knee.trial
    assert ".best('equal').loss(terms={'under': ...})" in first.code  # only code describes it
    assert "equal (promoted)" in Page(render(result, root=root)).text
    picks = report_entry(result, root, root / "report.html")["picks"]
    assert (picks["equal"], picks["knee"]) == (trial, knee.trial)
    assert "knee" in result._repr_html_()
    assert result.plot.curves().data
    if trial is None:
        with pytest.raises(PickError, match="beside the trials"):
            result.best_number("equal")


def test_report_loads_nothing(root):
    """One file: no script, style, font or image comes from anywhere else."""
    page = Page(render(read(root)))
    assert page.loads == []
    assert page.open == []


def data_of(text):
    """What the page's scripts read."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def test_report_says_what_was_found(root):
    """Verdict, picks with the line to paste, and the front as a table are text in it."""
    result = read(root)
    page = Page(render(result, root=root))
    assert page.text.startswith("demand: loss weights demand ")
    assert " ".join(result.verdict.split()) in page.text
    for pick in result.standard_picks:
        assert pick in page.text
    assert f"lw.SweepResult.read('demand', root={str(root)!r}).best('knee').loss(" in page.text
    for header in ("trial", "weight mse", "weight under", "rmse", "shortfall", "driven by"):
        assert header in page.text


def test_report_says_where_the_lead_changes_and_what_matters(root):
    """A row for each pair of terms, and for each metric and weight."""
    trials = [finished(n, 1.0 + n, 6.0 - n, under=0.1 * 2**n) for n in range(6)]
    page = Page(render(read(root, trials)))
    assert "Where the lead changes" in page.text
    assert "under over mse" in page.text
    assert "mse led at every ratio tried" in page.text
    assert "Which weight matters" in page.text
    assert "rmse under +1.00" in page.text
    assert "shortfall under -1.00" in page.text


def test_the_numbers_of_the_page_are_those_of_the_study(root):
    """Every trial with every digit, and each complete one is a point of the front's chart."""
    result = read(root)
    data = data_of(render(result))
    table = pd.DataFrame(data["trials"])
    for name in ("rmse", "shortfall", "weight/under", "relative/mse", "seconds"):
        pd.testing.assert_series_equal(table[name], result.trials[name], check_exact=True)
    traces = data["figures"]["front"]["data"]
    points = {n for t in traces if "driven" in t["name"] for n in t["customdata"]}
    assert points == {0, 1, 2}
    assert data["picks"] == {pick: result.best_number(pick) for pick in result.standard_picks}
    assert data["curves"]["1"]["epochs"] == [0, 1, 2, 3]


def test_curves_have_the_weights_that_moved(root):
    """On a ramp a term weighs nothing at first, whatever multiplies it in the end."""
    trial = finished(0, 3.0, 1.0)
    moved = [
        replace(report, weights={"mse": 1.0, "under": 0.1 * report.epoch})
        for report in trial.result.reports
    ]
    ramped = replace(trial, result=replace(trial.result, reports=tuple(moved)))
    result = read(root, [ramped, finished(1)])
    curves = page_data(result)["curves"]
    assert curves[0]["moved"] == [[1.0] * 4, pytest.approx([0.0, 0.1, 0.2, 0.3])]
    assert "moved" not in curves[1]


def test_a_long_sweep_keeps_some_epochs_of_each_trial(root):
    """First and last are among them, and the page stays small however many there are."""
    trial = finished(0)
    first = trial.result.reports[0]
    reports = tuple(replace(first, epoch=epoch) for epoch in range(500))
    data = page_data(read(root, [replace(trial, result=replace(trial.result, reports=reports))]))
    epochs = data["curves"][0]["epochs"]
    assert (epochs[0], epochs[-1]) == (0, 499)
    assert len(epochs) == 60


def test_how_it_was_made(root):
    """Command, seed, versions and digest come from the manifest."""
    told = {"script": "sweeps/demand.py", "seed": 3, "versions": {"keras": "3.15.1"}}
    save_sweep(root, TRIALS, data="abc", **told)
    result = SweepResult.read("demand", root)
    made = how_made(result, root)
    assert made["command"] == "python sweeps/demand.py --name demand"
    assert made["begun"] == "2026-01-02 03:04 UTC"
    assert (made["seed"], made["versions"], made["data digest"]) == ("3", "keras 3.15.1", "abc")
    assert made["trainer"] == "fit (4 trials)"


def test_only_the_scripts_of_the_page_may_run(root):
    """The policy names each script by its digest, and nothing may be loaded."""
    text = render(read(root))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    policy = html.unescape(policy)
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


@pytest.mark.parametrize(
    ("trials", "objectives"),
    [
        ([], {"rmse": "minimize"}),
        ([finished(0, outcome=Outcome.FAILED, reason="boom")], {"rmse": "minimize"}),
        ([finished(0, outcome=Outcome.DIVERGED)], {"rmse": "minimize", "shortfall": "minimize"}),
        ([finished(0)], {"rmse": "minimize"}),
        ([finished(0), finished(1)], {"rmse": "maximize", "shortfall": "minimize"}),
    ],
    ids=["no trial", "failed", "diverged", "one trial", "equal trials"],
)
def test_report_of_any_sweep(root, trials, objectives):
    """There is a report of a sweep that has hardly begun, or went wrong, as well."""
    page = Page(render(read(root, trials, objectives=objectives)))
    assert page.open == []
    assert "demand" in page.text


def test_texts_are_escaped(root):
    """A name from a file that somebody edited cannot become markup."""
    evil = "<script>alert(1)</script>&"
    trial = finished(0)
    for report in trial.result.reports:
        report.metrics[evil] = 1.0
    result = read(root, [trial, finished(1, outcome=Outcome.FAILED, reason=evil)],
                  objectives={evil: "minimize"})  # fmt: skip
    text = render(replace(result, name=evil, remark=evil))
    assert "<title>&lt;script&gt;alert(1)" in text
    scripts = re.findall(r"<script[^>]*>", text)
    assert len(scripts) == len(re.findall("</script>", text))
    assert "<script>alert(1)" not in text
    assert evil in data_of(text)["metrics"]  # as it is, for what shows it as text
    assert evil not in json.dumps(data_of(text)["figures"])  # plotly would obey it
    assert " ".join(evil.split()) in Page(text).text


CHOICES = {
    "class": "Choice",
    "chosen": "term/under",
    "options": {
        "dice": {"class": "Dice"},
        "tversky": {
            "class": "Tversky", "alpha": 0.5, "sampled": {"alpha": "term/under/tversky/alpha"},
        },
    },
}  # fmt: skip


def test_what_was_chosen_is_on_cards_in_tables_and_in_the_line_to_copy(root):
    """Under the names of docs/choices.md; no number of an option that was not taken."""
    terms = {"mse": {"class": "MeanSquaredError"}, "under": CHOICES}
    space = {"ramp/under": {"start": 0.0, "epochs": 3, "after": 0}}
    result = read(root, chosen_trials(), terms=terms, space=space)
    least, most = (next(c for c in cards(result, root) if pick in c.picks)
                   for pick in ("min:rmse", "min:shortfall"))  # fmt: skip
    assert least.chosen == {"hyper/learning_rate": "0.0001", "term/under": "dice"}
    assert most.chosen["term/under/tversky/alpha"] == "0.65"
    assert least.code.endswith(".compile(model, optimizer)")  # the recipe names no optimizer
    text = render(result, root=root)
    data = data_of(text)
    assert data["chosen"] == ["hyper/learning_rate", "term/under", "term/under/tversky/alpha"]
    alphas = data["trials"]["term/under/tversky/alpha"]
    assert alphas[:3] == [None, pytest.approx(0.15), None]
    row = tables(result)["front"].rows[0]
    assert [row[3], row[4], row[5]] == ["0.0001", "dice", ""]
    assert "reached within 3 epochs from 0 times it" in Page(text).text


def test_report_is_utf_8_and_whole(root):
    """The file is written as what its head says it is."""
    path = write_report(read(root), root / "report.html")
    text = path.read_bytes().decode("utf-8")
    assert '<meta charset="utf-8">' in text
    assert text.rstrip().endswith("</html>")


def test_report_that_cannot_be_written_says_so(root):
    """A report is not worth a traceback."""
    result = read(root)
    (root / "file").touch()
    with pytest.raises(StoreError, match="Cannot write"):
        write_report(result, root / "file" / "report.html")


def test_baselines_are_in_table_and_chart(root):
    """Those that are trials, and those beside them, with different marks."""
    result = with_baselines(root)
    page = Page(render(result))
    assert "Baselines" in page.text
    for name in ("0 (equal)", "only:mse", "dwa"):
        assert name in page.text
    chart = result.plot.front()
    named = {trace.name: tuple(trace.text) for trace in chart.data if trace.text}
    assert named["baselines in the space"] == ("equal",)
    assert named["baselines"] == ("only:mse",)


def test_a_sweep_without_baselines_has_no_section_on_them(root):
    """The caption of the chart does not speak of them either."""
    assert "Baselines" not in Page(render(read(root))).text
