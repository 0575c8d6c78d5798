"""One look before a sweep: closed forms, and nothing that is not as it was."""

import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossweights as lw
from lossweights.base.errors import DataError, ModelError, RecipeError, TermError
from lossweights.search.space import Space
from lossweights.sweep.plan import View
from lossweights.terms import as_term
from lossweights.training import FitTrainer, Member
from lossweights.training.problem import Problem

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3))
Y = X @ [[1.0], [-2.0], [0.5]] + 3.0 + RNG.normal(size=(64, 1))
RATE = 0.05


def make_loss(**weights):
    """Squared errors and underestimation."""
    weights = {"mse": 1.0, "under": 0.5, **weights}
    return lw.CombinedLoss({"mse": "mse", "under": lw.terms.Underestimation()}, weights)


def make_line(start=0.1):
    """A line whose parameters all begin at one number."""
    constant = keras.initializers.Constant(start)
    layer = keras.layers.Dense(1, kernel_initializer=constant, bias_initializer=constant)
    return keras.Sequential([keras.Input((3,)), layer])


def by_hand(parameters, sample_weight=None):
    """Magnitudes and gradients of both terms at parameters, with NumPy."""
    inputs = np.hstack([X, np.ones((64, 1))])
    errors = Y[:, 0] - inputs @ parameters
    w = np.ones(64) if sample_weight is None else sample_weight
    magnitudes = np.array([(w * errors**2).mean(), (w * 2 * np.maximum(errors, 0)).mean()])
    slopes = np.stack([-2 * w * errors, -2 * w * (errors > 0)])
    return magnitudes, slopes @ inputs / 64


def after(steps, weights, sample_weight=None):
    """The parameters after steps of gradient descent on all rows."""
    parameters = np.full(4, 0.1)
    for _ in range(steps):
        parameters = parameters - RATE * weights @ by_hand(parameters, sample_weight)[1]
    return parameters


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "sample weights"])
def test_a_line_by_hand(weighted):
    """Magnitudes, lengths, angles, shares and the decrease are those of the closed form."""
    w, of_rows = np.array([1.0, 0.5]), RNG.uniform(0.5, 2.0, 64) if weighted else None
    found = lw.plan(
        make_loss(), make_line(), X, Y, of_rows,
        optimizer=keras.optimizers.SGD(RATE), batch_size=64, steps=3,
    )  # fmt: skip
    sizes = []
    for i, parameters in enumerate([np.full(4, 0.1), after(3, w, of_rows)]):
        magnitudes, (g, h) = by_hand(parameters, of_rows)
        sizes.append(magnitudes)
        lengths = np.linalg.norm([g, h], axis=1)
        total = w[0] * g + w[1] * h
        expected = {
            "magnitude": magnitudes,
            "share": w * magnitudes / (w @ magnitudes),
            "gradient": lengths,
            "pull": w * lengths / (w @ lengths),
            "drives": w * np.array([g @ total, h @ total]) / (total @ total),
        }
        for quantity, values in expected.items():
            measured = [pair[i] for pair in found.measured[quantity].values()]
            np.testing.assert_allclose(measured, values, rtol=1e-4, err_msg=quantity)
        degrees = np.degrees(np.arccos(g @ h / lengths.prod()))
        assert found.angles["mse/under"][i] == pytest.approx(degrees, rel=1e-4)
    fall = w * (sizes[0] - sizes[1])
    np.testing.assert_allclose(found.table["decrease"], fall / fall.sum(), rtol=1e-3)
    assert found.driver == "mse"
    if not weighted:
        errors = Y - Y.mean()
        scales = {"mse": (errors**2).mean(), "under": np.abs(errors).mean()}
        assert found.scales == pytest.approx(scales, rel=1e-5)


def test_weights_decide_who_would_drive():
    """The heavier term does; at no weight it is no part of what drives."""
    drivers = [
        lw.plan(make_loss(under=w), make_line(), X, Y, optimizer="sgd").driver for w in (0.0, 1e3)
    ]
    assert drivers == ["mse", "under"]


def test_steps_too_small_to_tell_leave_it_to_the_gradients():
    """Adam's first steps are as small as its rate."""
    found = lw.plan(make_loss(), make_line(), X, Y, optimizer=keras.optimizers.Adam(1e-9))
    assert found.driver == "mse"
    assert "too small to tell" in found.verdict


def test_ranges_hold_the_balance_and_can_be_pasted():
    """The accuracy is fixed; text and values are one space."""
    found = lw.plan(make_loss(), make_line(), X, Y)
    assert found.space["mse"] == lw.Fixed(1.0)
    under = found.space["under"]
    for mse, length in zip(*found.measured["gradient"].values(), strict=True):
        balance = (mse / found.scales["mse"]) / (length / found.scales["under"])
        assert under.low <= balance <= under.high
    pasted = eval(f"dict({found.space_text})", {"lw": lw})
    assert pasted == {"space": found.space}
    Space(["mse", "under"], pasted["space"])


def test_terms_without_a_scale_get_ranges_of_weights_as_they_are():
    """And a note says why."""
    terms = {"mse": "mse", "curve": lw.terms.Boundary(axes=1)}  # constant targets along the axis
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    found = lw.plan(lw.CombinedLoss(terms), model, X, np.hstack([Y, Y]))
    assert found.unscaled
    assert eval(f"dict({found.space_text})", {"lw": lw})["scales"] is None
    assert any(note.startswith("curve has no reference scale") for note in found.notes)


class Restless(keras.layers.Layer):
    """A layer that draws from every generator that a process has."""

    def call(self, inputs, training=None):
        """Add a little of each."""
        drawn = random.random() + np.random.rand()
        noise = keras.random.normal((1,)) + tf.random.normal((1,))
        return inputs + 1e-3 * (noise + drawn)


def make_restless():
    """Dropout, normalisation, recurrent dropout, noise, and a penalty of its own."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((3,)),
            Restless(),
            layers.Dense(4, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Reshape((2, 2)),
            layers.SimpleRNN(3, recurrent_dropout=0.2),
            layers.Dense(2, name="frozen"),
            layers.Dense(1),
        ]
    )
    model.get_layer("frozen").trainable = False
    loss = make_loss()
    # Without graphs each step draws anew, and the test is fast.
    model.compile(keras.optimizers.Adam(1e-2), loss=loss, metrics=["mae"], run_eagerly=True)
    model.fit(X[:32], Y[:32], batch_size=16, epochs=1, verbose=0)
    return model, loss


def state(model):
    """All that a model, its optimizer and its compiled state hold."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return (
        [np.array(v).tobytes() for v in variables],
        [id(v) for v in variables],
        [layer.trainable for layer in model.layers],
        [getattr(layer, "momentum", None) for layer in model.layers],
        [sorted(vars(layer)) for layer in model.layers],
        [id(part) for part in (model.optimizer, model.loss, model.train_function)],
        model.stop_training,
    )


def drawn():
    """The next numbers of each generator."""
    return [
        random.random(), float(np.random.rand()),
        keras.ops.convert_to_numpy(keras.random.normal((2,))).tolist(),
        tf.random.normal((2,)).numpy().tolist(),
        tf.random.get_global_generator().normal((2,)).numpy().tolist(),
    ]  # fmt: skip


def trained_on(look):
    """State, numbers and the training that goes on, with a look before or without."""
    model, loss = make_restless()
    tf.random.set_global_generator(tf.random.Generator.from_seed(5))
    before = state(model)
    if look:
        found = lw.plan(loss, model, X, Y, batch_size=16, steps=3)
        assert list(found.weights) == ["mse", "under", "model"]
        assert state(model) == before
    numbers = drawn()
    history = model.fit(X[:32], Y[:32], batch_size=16, epochs=2, verbose=0).history
    return numbers, history, state(model)[0]


def test_model_optimizer_and_generators_are_as_they_were():
    """To the bit, and so is the training that goes on."""
    assert trained_on(look=True) == trained_on(look=False)


def test_after_an_error_all_is_as_it_was(monkeypatch):
    """Also in the middle of the steps."""
    model, loss = make_used()
    before = state(model)

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("lossweights.sweep.plan.seconds_a_step", fail)
    with pytest.raises(ZeroDivisionError):
        lw.plan(loss, model, X, Y, trials=1, epochs=1)
    assert state(model) == before


def make_used():
    """A line that was trained for a while."""
    model, loss = make_line(), make_loss()
    model.compile(keras.optimizers.Adam(0.05), loss=loss, jit_compile=False)
    model.fit(X, Y, batch_size=64, epochs=3, verbose=0)
    return model, loss


def test_a_used_optimizer_goes_on_where_it_is():
    """The steps aside are the steps that `fit` makes next, with the slots of Adam."""
    model, loss = make_used()
    found = lw.plan(loss, model, X, Y, batch_size=64, steps=2)
    goes_on, loss = make_used()
    goes_on.fit(X, Y, batch_size=64, epochs=2, verbose=0)
    means = loss.components(Y, goes_on(X))
    assert found.magnitudes["mse"][1] == pytest.approx(float(means["mse"]), rel=1e-5)


def make_dropped():
    """A model whose training draws numbers."""
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.4)]
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])


def test_the_steps_of_a_sweep_are_the_first_of_its_trials():
    """The rows in the same order, the same numbers drawn: here they are an epoch."""
    terms = {name: as_term(term, name) for name, term in make_loss().terms.items()}
    problem = Problem(
        build_model=make_dropped, terms=terms, metrics={}, optimizer="adam", epochs=1, batch_size=16
    )
    data = lw.Data(train=(X, Y), val=(X, Y))
    weights = {"mse": 2.0, "under": 0.5}
    view = View(
        loss=make_loss(**weights), model=problem.make_model(3), batch_size=16, steps=4, seed=3,
        data=(data.train.x, data.train.y, None), optimizer=problem.make_optimizer(),
    )  # fmt: skip
    found = view.plan()
    (trial,) = FitTrainer(problem, data).train([Member(weights, seed=3)], lambda *_: True)
    for i, report in enumerate(trial.reports):
        measured = {name: pair[i] for name, pair in found.magnitudes.items()}
        assert report.train == pytest.approx(measured, rel=1e-5)


def test_a_plan_of_a_sweep_leaves_all_generators():
    """Though building its models sets them."""
    sweep = lw.Sweep(
        name="looked-at", build_model=make_dropped, load_data=lambda: lw.Data((X, Y), (X, Y)),
        terms={"mse": "mse", "under": lw.terms.Underestimation()}, space=FREE,
        metrics={"rmse": lw.metrics.RMSE()}, objectives={"rmse": "minimize"}, seed=5,
    )  # fmt: skip
    numbers = []
    for look in (True, False):
        keras.utils.set_random_seed(11)
        tf.random.set_global_generator(tf.random.Generator.from_seed(5))
        drawn()
        if look:
            found = sweep.plan()
        numbers.append(drawn())
    assert numbers[0] == numbers[1]
    assert found.magnitudes == sweep.plan().magnitudes  # one seed, one model


def test_a_sum_over_the_batch_is_stepped_as_one():
    """As `fit` does, whose steps are then longer by the rows of a batch."""
    loss, optimizer = lw.CombinedLoss({"mse": "mse"}, reduction="sum"), keras.optimizers.SGD(1e-3)
    found = lw.plan(loss, make_line(), X, Y, optimizer=optimizer, batch_size=64, steps=2)
    model = make_line()
    model.compile(optimizer, loss=loss)
    model.fit(X, Y, batch_size=64, epochs=2, verbose=0)
    mse = loss.components(Y, model(X))["mse"]
    assert found.magnitudes["mse"][1] == pytest.approx(float(mse), rel=1e-5)


def test_a_term_that_is_off_and_undefined_stays_off():
    """It is no anchor, and gets no range; all else is told."""
    terms = {"log": lambda y, p: keras.ops.log(p - 1e3), "mse": "mse", "mae": "mae"}
    loss = lw.CombinedLoss(terms, {"log": 0.0, "mse": 1.0, "mae": 1.0})
    found = lw.plan(loss, make_line(), X, Y)
    assert found.space["log"] == lw.Fixed(0.0)
    assert found.space["mse"] == lw.Fixed(1.0)
    assert found.to_dict()["parts"]["log"]["magnitude"] == {"start": None, "after": None}
    assert found.driver == "mse"


def test_several_inputs_and_outputs():
    """Terms on outputs by name, targets as a dict or a list, compiled or not."""
    one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
    joined = keras.layers.Concatenate()([one, two])
    heads = {name: keras.layers.Dense(1, name=name)(joined) for name in ("price", "demand")}
    terms = {
        "price": lw.terms.on("price", "mse"),
        "demand": lw.terms.on("demand", "mae"),
        "under": lw.terms.on("demand", lw.terms.Underestimation()),
    }
    x = {"one": X, "two": X[:, :2]}
    loss, model = lw.CombinedLoss(terms), keras.Model({"one": one, "two": two}, heads)
    found = lw.plan(loss, model, x, {"price": Y, "demand": Y + 1}, np.linspace(0.5, 1.5, 64))
    assert set(found.scales) == set(terms)
    weights = {"price": 2.0, "demand": 1.0}
    listed = keras.Model([one, two], list(heads.values()))
    listed.compile("sgd", loss=loss.by_output(listed.output_names), loss_weights=weights)
    again = lw.plan(loss, listed, [X, X[:, :2]], [Y, Y + 1])
    assert again.weights == {"price": 2.0, "demand": 1.0, "under": 1.0}
    assert again.optimizer == "SGD"
    assert found.angles["price/demand"][0] == pytest.approx(90.0)  # they share no parameter


def test_the_loss_of_another_output_is_a_part():
    """Under Keras' name for it; ranges are for our terms alone."""
    entry = keras.Input((3,))
    a, b = (keras.layers.Dense(1, name=name)(entry) for name in "ab")
    model, loss = keras.Model(entry, {"a": a, "b": b}), make_loss()
    model.compile("sgd", loss={"a": loss, "b": "mae"})
    found = lw.plan(loss, model, X, {"a": Y, "b": Y})
    assert list(found.weights) == ["mse", "under", "b_loss"]
    assert list(found.space) == ["mse", "under"]


def test_data_and_streams():
    """The training data are looked at, of a stream the first rows."""
    rows = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    found = [
        lw.plan(make_loss(), make_line(), lw.Data(train=train, val=(X, Y)))
        for train in ((X, Y), rows)
    ]
    assert found[0].to_dict() == found[1].to_dict()


def unbuilt():
    """A model that does not know its inputs."""
    return keras.Sequential([keras.layers.Dense(1)])


def carrying():
    """A model that carries its state from batch to batch."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(batch_shape=(4, 3)),
            layers.Reshape((3, 1)),
            layers.SimpleRNN(1, stateful=True),
        ]
    )


def frozen():
    """A model with nothing to train."""
    model = make_line()
    model.trainable = False
    return model


def other():
    """A model compiled with another combined loss."""
    model = make_line()
    model.compile("sgd", loss=make_loss())
    return model


REFUSED = {
    "no combined loss": (lambda: ("mse", make_line(), X, Y), {}, TermError, "CombinedLoss"),
    "no model": (lambda: (make_loss(), len, X, Y), {}, ModelError, "keras.Model. Found"),
    "not built": (lambda: (make_loss(), unbuilt(), X, Y), {}, ModelError, "Expected a built"),
    "another loss": (lambda: (make_loss(), other(), X, Y), {}, ModelError, "another CombinedLoss"),
    "carries state": (lambda: (make_loss(), carrying(), X, Y), {}, ModelError, "stateful=False"),
    "frozen": (lambda: (make_loss(), frozen(), X, Y), {}, ModelError, "trainable = True"),
    "other inputs": (lambda: (make_loss(), make_line(), X.T, Y[:3]), {}, ModelError, "inputs"),
    "other targets": (
        lambda: (lw.CombinedLoss({"a": lw.terms.Boundary(axes=1)}), make_line(), X, Y),
        {}, ModelError, "fit the targets",
    ),
    "no targets": (lambda: (make_loss(), make_line(), X), {}, DataError, "without y"),
    "lengths": (lambda: (make_loss(), make_line(), X, Y[:9]), {}, DataError, "one length"),
    "trials alone": (
        lambda: (make_loss(), make_line(), X, Y), {"trials": 3}, RecipeError, "together",
    ),
    "no steps": (lambda: (make_loss(), make_line(), X, Y), {"steps": 0}, RecipeError, "steps"),
    "no optimizer": (
        lambda: (make_loss(), make_line(), X, Y), {"optimizer": "adm"}, RecipeError, "optimizer",
    ),
    "waits for data": (
        lambda: (lw.CombinedLoss({"a": "mse"}, scales="data"), make_line(), X, Y),
        {}, TermError, "adapt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_looked_at_is_told(case):
    """Expected, found, what to do; and an unbuilt model stays so."""
    arguments, options, error, said = REFUSED[case]
    given = arguments()
    with pytest.raises(error, match=said):
        lw.plan(*given, **options)
    if case == "not built":
        assert not given[1].built


def test_what_a_plan_says_is_the_same_for_all():
    """Text, table, notebook and JSON; and JSON holds no NaN."""
    found = lw.plan(make_loss(), make_line(), X, Y, trials=4, epochs=3, space=FREE)
    known = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert known["format"] == "lossweights/plan"
    assert known["verdict"] == found.verdict
    assert known["driver"] == found.driver == "mse"
    table = found.table
    assert list(table.index) == list(known["parts"]) == ["mse", "under"]
    for name, part in known["parts"].items():
        assert part["gradient"]["start"] == table.loc[name, "gradient/start"]
    text, page = str(found), found._repr_html_()
    for said in (found.verdict, str(found.time), "fix one weight"):
        assert said in text
    assert "With these weights mse would drive" in page
    assert found.space_text in text
    assert len(repr(found).splitlines()) == 1


FREE = {"mse": lw.LogUniform(0.1, 10.0), "under": lw.LogUniform(0.1, 10.0)}


@pytest.mark.parametrize(
    ("optimizer", "space", "model", "told"),
    [
        ("adam", FREE, {}, True),
        ("sgd", FREE, {}, False),
        ("adam", {**FREE, "mse": lw.Fixed(1.0)}, {}, False),
        ("adam", lw.Simplex(), {}, False),
        ("adam", FREE, {"kernel_regularizer": "l2"}, False),
    ],
    ids=["free", "sgd", "anchored", "simplex", "regularized"],
)
def test_a_redundant_scale_is_pointed_out(optimizer, space, model, told):
    """With the remedy, and only where the factor does nothing."""
    line = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, **model)])
    notes = lw.plan(make_loss(), line, X, Y, optimizer=optimizer, space=space).notes
    assert [note for note in notes if '("mse": lw.Fixed(1.0)) or use lw.Simplex()' in note] == (
        list(notes) if told else []
    )
