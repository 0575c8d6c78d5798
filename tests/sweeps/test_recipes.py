"""Every recipe of the docs runs as it is pasted, and what it says comes true."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

import lossweights as lw

PAGE = Path(lw.__file__).parent.parent / "docs" / "recipes.md"
AROUND = "Around a sweep"  # these go on from the tutorial; tests/unit/test_site.py runs them


def read_recipes(text):
    """The code of each recipe by its title, with what it shares with others before it."""
    found, shared, level, title = {}, {1: [], 2: []}, 1, ""
    parts = re.finditer(r"^(#{1,3}) ([^\n]+)$|^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for part in parts:
        if part[1]:
            level, title = len(part[1]), part[2]
            shared[2] = [] if level < 3 else shared[2]
            if title == AROUND:
                return found
        elif part[0].startswith("```python"):
            if level < 3:
                shared[level].append(part[3])
            else:
                found.setdefault(title, [*shared[1], *shared[2]]).append(part[3])
    return found


RECIPES = read_recipes(PAGE.read_text("utf-8"))


def mean(values):
    """A mean, to compare with."""
    return pytest.approx(float(np.mean(values)), rel=1e-4)


def winner(names):
    """What a sweep measured of the set that it promotes, and what that model predicts."""
    weights, val = lw.load(names["sweep"].name), names["sweep"].prepare(rehearse=False).data.val
    return weights.metrics, val.y, weights.model().predict(val.x, verbose=0)


def replicas(names):
    """The rmse of each training of each trial."""
    trials = [finished.result for _, finished in sorted(names["result"].finished.items())]
    return [[replica.metrics["rmse"] for replica in trial.replicas] for trial in trials]


def _check_missing_labels(names):
    known = ~np.isnan(names["gaps"])
    error = (names["gaps"] - names["model"].predict(names["x"], verbose=0))[known]
    assert 0.2 < 1 - known.mean() < 0.4
    assert names["rmse"] ** 2 == mean(error**2)
    assert np.isfinite(names["history"].history["loss"]).all()
    metrics, y, p = winner(names)
    assert metrics["rmse"] ** 2 == mean(((y - p) ** 2)[~np.isnan(y)])


def _check_pixels(names):
    data, classes = names["sweep"].prepare(rehearse=False).data, names["classes"]
    weighed = np.array([1.0, 1.0, 5.0])[classes[:32]] * names["sure"][:32]
    np.testing.assert_allclose(data.train.sample_weight, weighed)
    assert data.val.sample_weight is None
    metrics, y, p = winner(names)
    true, predicted = y.argmax(-1).ravel(), p.argmax(-1).ravel()
    assert metrics["accuracy"] == mean(true == predicted)
    assert metrics["f1"] == pytest.approx(f1_score(true, predicted, average="macro"), rel=1e-4)


def _check_beta(names):
    metrics, y, p = winner(names)
    assert metrics["rmse"] ** 2 == mean((y - p) ** 2)
    assert 1e-3 <= names["beta"] <= 10
    trials = [finished.result for finished in names["result"].finished.values()]
    assert all(trial.reports[-1].train["kl"] > 0 for trial in trials)


def _check_prices(names):
    metrics, y, p = winner(names)
    assert metrics["rmse"] ** 2 == mean((y[:, :1] - p) ** 2)
    assert metrics["money"] == mean(np.maximum(y[:, :1] - p, 0) * y[:, 1:])


def _check_quantiles(names):
    metrics, y, p = winner(names)
    errors = [(level, y[:, 0] - p[:, i]) for i, level in enumerate((0.1, 0.5, 0.9))]
    each = [np.maximum(level * error, (level - 1) * error) for level, error in errors]
    assert metrics["pinball"] == mean(each)
    assert metrics["crossed"] == mean([p[:, 0] > p[:, 1], p[:, 1] > p[:, 2]])
    assert names["weights"].scales["crossing"] == 1.0
    assert names["loss"].weights == names["weights"].weights


def _check_padded(names):
    metrics, y, p = winner(names)
    each = [abs(a[v > 0, 0] - b[v > 0, 0]).mean() for a, b, v in zip(y, p, y[..., 1], strict=True)]
    assert metrics["error"] == mean(each)
    x, garbage = names["padded"], names["target"].copy()
    garbage[garbage[..., 1] == 0] = 100.0
    loss, predicted = names["weights"].loss(), names["build_recurrent"]()(x)  # with Keras' mask
    losses = [float(loss(y, predicted)) for y in (names["target"], garbage)]
    assert losses[0] == pytest.approx(losses[1])  # what is padded does not count


def _check_boundary(names):
    metrics, y, p = winner(names)
    true, pred = y[..., 0] > 0.5, p[..., 0] > 0.5
    both, sizes = (true & pred).sum((1, 2)), true.sum((1, 2)) + pred.sum((1, 2))
    assert metrics["dice"] == mean(2 * both / sizes)
    assert "hd95_missing" in metrics


def _check_dice_or_tversky(names):
    table, weights = names["result"].trials, names["weights"]
    which = table["term/region"]
    assert set(which) == {"dice", "tversky"} == set(names["best_of_each"].index)
    assert (table["term/region/tversky/alpha"].notna() == (which == "tversky")).all()
    made = {"dice": lw.terms.Dice, "tversky": lw.terms.Tversky}
    assert type(weights.loss().terms["region"]) is made[weights.chosen["term/region"]]
    assert weights.metrics["dice"] == table["dice"].max() == names["best_of_each"].max()


def _check_two_outputs(names):
    weights, model, x, two = (names[name] for name in ("weights", "model", "x", "two"))
    plain = model.evaluate(x, two, verbose=0)
    weights.compile(model)
    found = model.evaluate(x, two, verbose=0)
    assert np.ravel(plain)[0] == pytest.approx(np.ravel(found)[0], rel=1e-5)


def _check_between_outputs(names):
    predicted = names["model"].predict(names["x"], verbose=0)
    assert names["share"] == mean(predicted["low"] > predicted["high"])
    excess = np.maximum(predicted["low"] - predicted["high"], 0)
    assert float(names["loss"].components(names["two"], predicted)["order"]) == mean(excess)


def _check_rates(names):
    rate = names["weights"].chosen["hyper/learning_rate"]
    assert float(names["model"].optimizer.learning_rate) == pytest.approx(rate)
    assert names["result"].trials["hyper/learning_rate"].nunique() > 1


def _check_widths(names):
    result, model = names["result"], names["model"]
    assert set(result.trials["hyper/units"]) == {"few", "many"}
    width = names["weights"].chosen["hyper/units"]
    assert model.layers[0].units == {"few": 2, "many": 32}[width]


def _check_ablation(names):
    table = names["result"].trials
    assert (table["weight/under"] == 0).any()
    assert (table["weight/under"] > 0).any()
    assert names["shortfall"][False] < names["shortfall"][True]  # the term is for that


def _check_warm_up(names):
    loss, full, found = names["loss"], names["weights"].weights["under"], []
    assert loss.weights["under"] == full  # after the last epoch
    for epoch in range(5):
        names["warm_up"].on_epoch_begin(epoch)
        found.append(loss.weights["under"] / full)
    assert found == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])


def _check_simplex(names):
    table = names["result"].trials
    total = table["relative/mse"] + table["relative/under"]
    assert np.allclose(total, total.iloc[0])


def _check_auc(names):
    metrics, y, p = winner(names)
    assert metrics["auc"] == pytest.approx(roc_auc_score(y, p), abs=0.005)


def _check_worst(names):
    table, each = names["result"].trials, replicas(names)
    assert all(len(values) == 3 for values in each)
    assert table["rmse"].tolist() == [max(values) for values in each]
    assert names["weights"].metrics["rmse"] == table["rmse"].min()


def _check_folds(names):
    table, each = names["result"].trials, np.array(replicas(names))
    assert each.shape[1] == 3
    assert table["rmse"].to_numpy() == pytest.approx(each.mean(axis=1))
    errors = each.std(axis=1, ddof=1) / 3**0.5
    assert table["stderr/rmse"].to_numpy() == pytest.approx(errors)


def _check_series(names):
    folds, x = names["load_series"](), names["x"]
    assert [len(fold.train) for fold in folds] == [175, 195, 215]
    assert [fold.val.x[0].tolist() for fold in folds] == x[[180, 200, 220]].tolist()
    _check_folds(names)


def _check_early(names):
    result = names["result"]
    trials = [finished.result for _, finished in sorted(result.finished.items())]
    assert min(len(trial.reports) for trial in trials) < 41  # with that before the first epoch
    least = [min(report.metrics["rmse"] for report in trial.reports[1:]) for trial in trials]
    assert result.trials["rmse"].tolist() == least


def _check_production(names):
    model, x = names["model"], names["x"]
    again = keras.models.load_model("demand.keras")
    assert again.loss.weights == names["weights"].weights
    assert again.evaluate(x, names["y"], verbose=0) == pytest.approx(
        model.evaluate(x, names["y"], verbose=0)
    )


CHECKS = {
    "Missing labels": _check_missing_labels,
    "Class weights per pixel": _check_pixels,
    "KL weight of a VAE": _check_beta,
    "A price per sample beside the target": _check_prices,
    "Several quantiles": _check_quantiles,
    "Masks of padded sequences": _check_padded,
    "Boundary loss with Dice": _check_boundary,
    "Choose between Dice and Tversky": _check_dice_or_tversky,
    "Two outputs, plain Keras loss_weights": _check_two_outputs,
    "A term between two outputs": _check_between_outputs,
    "Learning rate beside weights": _check_rates,
    "The width of the model beside weights": _check_widths,
    "Switch a term off (ablation)": _check_ablation,
    "Warm up a term": _check_warm_up,
    "Weights that sum to one": _check_simplex,
    "A Keras metric as an objective": _check_auc,
    "Worst of several seeds": _check_worst,
    "Cross-validation": _check_folds,
    "Folds of a time series": _check_series,
    "Early stopping": _check_early,
    "Production training from the best set": _check_production,
}


@pytest.mark.parametrize("title", RECIPES)
def test_recipe(title, tmp_path, monkeypatch):
    """A recipe runs with what its part of the page shares, and gives what it says."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "recipe"}
    for code in RECIPES[title]:
        exec(compile(code, title, "exec"), names)
    CHECKS[title](names)


def test_there_are_enough_recipes_and_each_is_checked():
    """None is only run."""
    assert set(RECIPES) == set(CHECKS)
    assert len(RECIPES) >= 15
