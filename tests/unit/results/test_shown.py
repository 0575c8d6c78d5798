"""How the public objects of a result show themselves, in a line and in a notebook."""

import lossweights as lw
from lossweights.results.result import SweepResult

from ..samples import finished, save_sweep


def swept(root, trials=40):
    """The result of a sweep whose trials are all on the front."""
    save_sweep(root, [finished(n, 1.0 + n, 100.0 - n) for n in range(trials)])
    return SweepResult.read("demand", root)


def test_a_result_is_one_short_line(root):
    """It says how many trials, and the call that reads them."""
    assert repr(swept(root)) == "<SweepResult of 40 trials: SweepResult.read('demand')>"


def test_a_result_in_a_notebook_has_verdict_front_and_picks(root):
    """The rows of a long front are bounded, and those that are picked are among them."""
    result = swept(root)
    page = result._repr_html_()
    assert result.verdict in page
    assert "On the Pareto front are 40 of 40 trials. Shown are 16." in page
    for pick in result.standard_picks:
        assert pick in page
    assert page.count("<tr>") == 17
    assert len(page) < 10_000


def test_a_result_without_a_complete_trial_is_shown(root):
    """Its verdict alone."""
    result = swept(root, trials=0)
    assert "0 trials" in result._repr_html_()
    assert len(repr(result)) < 100


def test_verdicts_and_weight_sets_are_short_and_have_tables(root):
    """The sentence, the numbers; a weight set is written as one would make it."""
    result = swept(root, 3)
    verdict = result.verdicts[0]
    assert repr(verdict) == f"<Verdict: {verdict.sentence}>"
    assert repr(result.sweep_verdict) == f"<SweepVerdict: {result.verdict}>"
    assert "<td>mse</td><td>drove</td>" in verdict._repr_html_()
    weights = result.best("min:rmse")
    assert repr(weights) == "WeightSet({'mse': 1.0, 'under': 0.5}, name='demand@min:rmse')"
    assert "<td>under</td><td>0.5</td>" in weights._repr_html_()


def test_what_others_wrote_into_a_weight_set_is_no_markup():
    """A note or a name with a tag in it is shown as text."""
    weights = lw.WeightSet({"mse": 1.0}, name="<b>x", origin={"note": "<script>"})
    assert "<b>" not in weights._repr_html_()
    assert "<script>" not in weights._repr_html_()
