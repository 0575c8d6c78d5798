"""Printed code gives the same loss as the set, with Keras alone."""

import ast
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import WeightSetError
from lossweights.loss.plain_code import FUNCTIONS, plain_code
from lossweights.results._chosen import settled
from lossweights.terms._foreign import BUILTINS
from lossweights.terms._registry import TERMS

from ..terms.ladder import ALL_TERMS

ROWS = {name: rung for name, rung in ALL_TERMS.items() if lw.terms.describe(rung.make())}
CLASSES = {
    "SparseCategoricalCrossentropy": {"ignore_class": 1},
    "CategoricalGeneralizedCrossEntropy": {},
}
ARGUMENTS = {"Dice": {"axis": [1, 2]}, "Tversky": {"axis": [1, 2], "alpha": 0.3}, **CLASSES}
TO_SEQUENCES = ("CTC", "Circle")
KERAS_LOSSES = sorted(set(BUILTINS) - set(TO_SEQUENCES))


def set_of(**terms):
    """A weight set of terms, each with another weight."""
    described = {name: lw.terms.describe(term) for name, term in terms.items()}
    weights = {name: 0.7 / (place + 1) for place, name in enumerate(terms)}
    return lw.WeightSet(weights, terms=described)


def loss_of(code):
    """The function that printed code defines."""
    names = {}
    exec(compile(code, "printed", "exec"), names)
    return names["loss"]


def assert_same(weights, y, p):
    """The printed loss and that of the set are equal to float32 rounding."""
    expected = keras.ops.convert_to_numpy(weights.loss().per_sample(y, p))
    found = keras.ops.convert_to_numpy(loss_of(plain_code(weights))(y, p))
    assert found.shape == expected.shape == (len(y),)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "known"])
def test_every_term_is_the_same_in_plain_code(name):
    """Whatever its settings are, element by element and in every branch."""
    y, p = ROWS[name].data()
    assert_same(set_of(term=ROWS[name].make()), y, p)


def test_every_class_of_terms_has_plain_code():
    """A term that is added to the registry needs its function here, and a rung to be compared."""
    assert set(FUNCTIONS) == set(TERMS)
    tested = {lw.terms.describe(rung.make())["class"] for rung in ROWS.values()}
    assert set(TERMS) <= tested


def of_keras(name):
    """A set with a loss of Keras, targets and predictions; class numbers where it reads those."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, size=(5, 4, 3)).astype("float32")
    y = (rng.uniform(size=p.shape) < 0.4).astype("float32")
    if name in CLASSES:
        p, y = p / p.sum(-1, keepdims=True), rng.integers(0, 3, size=(5, 4)).astype("float32")
    if name == "CategoricalGeneralizedCrossEntropy":
        p, y = p[:, 0], y[:, 0]
    term = lw.terms.from_description({"class": f"keras:{name}", **ARGUMENTS.get(name, {})})
    return set_of(term=term), y, p


@pytest.mark.parametrize("name", KERAS_LOSSES)
def test_every_loss_of_keras_is_the_same_in_plain_code(name):
    """Also where its targets are class numbers, some of which are ignored."""
    assert_same(*of_keras(name))


def test_a_sum_of_terms_and_one_of_weight_0():
    """Weights multiply; what is switched off is not in the code."""
    terms = {"mse": {"class": "keras:MeanSquaredError"}, "under": {"class": "Underestimation"},
             "off": {"class": "Dice"}}  # fmt: skip
    weights = lw.WeightSet({"mse": 0.3, "under": 2.0, "off": 0.0}, terms=terms)
    rng = np.random.default_rng(1)
    assert_same(weights, rng.normal(size=(6, 2)), rng.normal(size=(6, 2)))
    assert "dice" not in plain_code(weights)


def test_terms_on_outputs_and_on_masks():
    """Dicts by output, and masks before their distance maps."""
    y = lw.terms.with_distance_map(np.eye(6)[None].repeat(2, 0), axes=(1, 2))
    p = np.full((2, 6, 6, 1), 0.25, "float32")
    mapped = set_of(bce=lw.terms.reading("binary_crossentropy"), far=lw.terms.DistanceBoundary())
    assert_same(mapped, y, p)
    weights = set_of(depth=lw.terms.on("depth", "mae"), mask=lw.terms.on("mask", "mse"))
    y, p = {"depth": np.ones((3, 1)), "mask": np.zeros((3, 2))}, {"depth": np.zeros((3, 1)),
            "mask": np.ones((3, 2))}  # fmt: skip
    found = keras.ops.convert_to_numpy(loss_of(plain_code(weights))(y, p))
    np.testing.assert_allclose(found, [0.7 + 0.35] * 3, rtol=1e-6)


@pytest.mark.parametrize("target", [0, slice(0, 2), -1])
def test_channels_of_the_target_are_read(target):
    """As the set reads them; what is said of elements beside is refused, not left out."""
    y, p = np.arange(12.0).reshape(4, 3), np.ones((4, 2 if isinstance(target, slice) else 1))
    assert_same(set_of(mse=lw.terms.reading("mse", target=target)), y, p)
    weighted = lw.terms.reading("mse", target=0, weight=1)
    for term in (weighted, lw.terms.known("mse")):
        with pytest.raises(WeightSetError, match=r"weights\.loss\(\)"):
            plain_code(set_of(mse=term))


def test_what_the_model_adds_is_written_there():
    """The code says in a comment what it cannot compute, and what to write in its place."""
    weights = set_of(mse=lw.terms.MeanSquaredError(), kl=lw.terms.added("kl"))
    code = " ".join(plain_code(weights).replace("# ", "").split())
    assert "Without kl" in code
    assert "self.add_loss(0.35 * keras.ops.mean(values))" in code
    y, p = np.ones((3, 2)), np.zeros((3, 2))
    np.testing.assert_allclose(loss_of(plain_code(weights))(y, p), [0.7] * 3, rtol=1e-6)
    with pytest.raises(WeightSetError, match="model adds itself"):
        plain_code(set_of(kl=lw.terms.added("kl")))


def declared(term, **others):
    """The description of a term as the manifest of a sweep has it."""
    y = np.ones((4, 3))
    sweep = lw.Sweep(
        name="declared",
        build_model=lambda: None,
        load_data=lambda: lw.Data(train=(y, y), val=(y, y)),
        terms={"term": term},
        space={"term": lw.LogUniform(0.1, 10.0)},
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
        **others,
    )
    return {"term": lw.terms.describe(sweep.problem.terms["term"])}


@pytest.mark.parametrize(
    ("term", "others", "why"),
    [
        ("mse", {"missing": "nan"}, "unknown labels"),
        (lw.terms.on("a", lw.terms.Huber()), {"missing": "nan"}, "unknown labels"),
        (lw.terms.reading("mse", target=0, weight=1), {}, "weights of elements"),
        (lw.terms.on("a", lw.terms.reading("mse", weight="1:")), {}, "weights of elements"),
        (lw.terms.reading("mse", target=[0, 2]), {}, "side by side"),
        (lw.terms.on(("a", "b"), lambda y, p: p["a"] - p["b"]), {}, "code of your own"),
        (lambda y, p: (y - p) ** 2, {}, "code of your own"),
    ],
    ids=[
        "missing",
        "missing on one output",
        "weighed",
        "weighed output",
        "apart",
        "between",
        "own",
    ],
)
def test_what_plain_code_cannot_say_of_a_sweep_is_refused(term, others, why):
    """With the reason; never is another loss printed in its place."""
    weights = lw.WeightSet({"term": 1.0}, terms=declared(term, **others))
    with pytest.raises(WeightSetError, match=why):
        plain_code(weights)


CHOICE = lw.Choice(
    {
        "under": lw.terms.Underestimation(factor=lw.LogUniform(0.5, 8.0)),
        "part": lw.terms.reading(lw.terms.Pinball(tau=lw.Uniform(0.6, 0.95)), target="0:2"),
    }
)


@pytest.mark.parametrize(
    "chosen",
    [
        {"term/term": "under", "term/term/under/factor": 3.5},
        {"term/term": "part", "term/term/part/tau": 0.75, "unit/term": 4.0},
    ],
    ids=["with a number", "on channels"],
)
def test_what_was_chosen_is_printed_as_it_was_trained(chosen):
    """A term that is one of several, with its number and its unit; unsettled there is none."""
    terms = declared(CHOICE)
    weights = lw.WeightSet(**settled({"term": 0.5}, {"term": 2.0}, terms, chosen))
    rng = np.random.default_rng(2)
    y = rng.normal(size=(5, 3 if chosen["term/term"] == "part" else 2))
    assert_same(weights, y, rng.normal(size=(5, 2)))
    with pytest.raises(WeightSetError, match="'Choice'"):
        plain_code(lw.WeightSet({"term": 0.5}, terms=terms))


def test_weights_that_change_over_the_epochs_are_refused():
    """A function has no epochs; those of the end alone would be another training."""
    terms = {"mse": lw.terms.describe(lw.terms.MeanSquaredError())}
    chosen = {"ramp/mse/start": 0.0, "ramp/mse/epochs": 5}
    assert plain_code(lw.WeightSet({"mse": 1.0}, terms=terms))
    with pytest.raises(WeightSetError, match=r"lw\.adaptive\.ramps"):
        plain_code(lw.WeightSet({"mse": 1.0}, terms=terms, chosen=chosen))


def test_a_number_that_was_not_settled_is_refused():
    """The usual one would be another loss."""
    terms = declared(lw.terms.Underestimation(factor=lw.LogUniform(0.5, 8.0)))
    with pytest.raises(WeightSetError, match="sampled"):
        plain_code(lw.WeightSet({"term": 0.5}, terms=terms))


def test_a_mask_of_elements_is_refused_in_training():
    """Keras would multiply it with the values of the samples, where there are as many of them."""
    mse = set_of(mse=lw.terms.MeanSquaredError())
    layers = [
        keras.Input((4, 1)),
        keras.layers.Masking(),
        keras.layers.LSTM(1, return_sequences=True),
    ]
    model, x = keras.Sequential(layers), np.ones((4, 4, 1))
    model.compile("sgd", loss=loss_of(plain_code(mse)))
    with pytest.raises(ValueError, match=r"no mask of Keras.*weights\.loss\(\)"):
        model.fit(x, x, verbose=0)


def test_the_name_of_the_package_stands_in_comments_alone():
    """And the code is that of one line where a set says something on several."""
    weights = lw.WeightSet(
        {"mse": 1.0},
        name="a\nimport os",
        terms={"mse": {"class": "Huber", "delta": 2.0}},
        origin={"note": "x\r\x0b\x0c\x1c\x85\u2028import os", "sentence": "better " * 40},
    )
    code = plain_code(weights)
    assert code.isascii()
    assert "lossweights" not in ast.unparse(ast.parse(code))
    imports = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(each) for each in imports} == {"import keras", "from keras import ops"}
    assert max(map(len, code.splitlines())) <= 120


@pytest.mark.parametrize(
    "description",
    [
        None,
        {"class": "Unknown"},
        {"class": "Huber", "delt": 1.0},
        {"class": "keras:Huber; import os"},
        {"class": "keras:BinaryCrossentropy", "x=1, **": 1},
        {"class": "Huber", "delta": {"a": 1}},
    ],
)
def test_what_has_no_plain_form_is_refused(description):
    """Code of the user's own, and what no table of ours has."""
    with pytest.raises(WeightSetError, match="Expected"):
        plain_code(lw.WeightSet({"own": 1.0}, terms={"own": description}))


FRESH = """
import json, sys
sys.modules["lossweights"] = None  # as where it is not installed
import keras, numpy as np
names = {}
exec(sys.stdin.read(), names)
y, p = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
model.compile("sgd", loss=names["loss"])
model.fit(y, p, epochs=1, verbose=0)
print(json.dumps(keras.ops.convert_to_numpy(names["loss"](y, p)).tolist()))
"""


def test_it_runs_where_this_package_is_not():
    """In a fresh process, in ``model.compile`` too."""
    weights = set_of(mse=lw.terms.as_term("mse", "mse"), under=lw.terms.Underestimation())
    done = subprocess.run(
        [sys.executable, "-c", FRESH], input=plain_code(weights), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    y, p = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    expected = keras.ops.convert_to_numpy(weights.loss().per_sample(y, p))
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), expected, rtol=2e-6)
