"""The manifest: whatever decides a number is in it, and nothing else stops a resumption."""

import copy
import json

import keras
import numpy as np
import pytest
from keras import ops

import lossweights as lw
from lossweights.base.code_hash import code_hash
from lossweights.base.errors import SweepChanged
from lossweights.base.strict_json import digest, dump_json
from lossweights.data import Data
from lossweights.search.baselines import check_baselines
from lossweights.search.space import Space
from lossweights.search.start import starting_points
from lossweights.store.manifest import check_same, make_manifest
from lossweights.sweep._describe import describe_problem
from lossweights.terms import as_term
from lossweights.training.problem import Problem

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6.0).reshape(6, 1)
WIDTH = 3


def build_model():
    """A model that depends on a constant and a function beside it."""
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(WIDTH), last()])


def last():
    """The layer that a helper makes."""
    return keras.layers.Dense(1)


def other_model():
    """Another model."""
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def own_term(y_true, y_pred):
    """A term that only code can describe."""
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def other_term(y_true, y_pred):
    """Another one."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class OwnLoss(keras.losses.Loss):
    """A Keras loss with an argument."""

    def __init__(self, power, name=None):
        super().__init__(name=name)
        self.power = power

    def call(self, y_true, y_pred):
        """The mean of a power of the error."""
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        """The argument."""
        return {**super().get_config(), "power": self.power}


def manifest(
    *,
    terms=None,
    space=None,
    metrics=None,
    objectives=None,
    data=(X, Y),
    scales=None,
    seed=0,
    script=None,
    created="2026-01-01",
    baselines=(),
    shown=None,
    trials=64,
    **options,
):
    """The manifest of a small sweep, with some things changed."""
    terms = terms or {"mse": "mse", "under": lw.terms.Underestimation()}
    least = {key: options.pop(key) for key in ("min_effect",) if key in options}
    problem = Problem(
        build_model=options.pop("build_model", build_model),
        terms={name: as_term(term, name) for name, term in terms.items()},
        metrics=metrics or {"rmse": lw.metrics.RMSE()},
        **{"optimizer": "adam", **options},
    )
    made = Space(list(terms), space or {"mse": 1.0, "under": lw.LogUniform(0.1, 10.0)})
    raced = check_baselines(baselines, made)
    return make_manifest(
        describe_problem(problem, Data(data, (X, Y))),
        name="demand",
        space=made,
        objectives=objectives or {"rmse": "minimize"},
        baselines=starting_points(made, raced.inside(made).values()),
        contest=raced.to_json(made),
        scales=scales,
        seed=seed,
        script=script,
        created=created,
        shown=shown or {},
        trials=trials,
        tracking=None,
        **least,
    )


def on_disk(value):
    """The manifest as a later process reads it."""
    return json.loads(dump_json(value))


OWN = {"mse": "mse", "under": own_term}
RATE = keras.optimizers.schedules.ExponentialDecay

# Two sweeps that differ in one thing, and the field that says so.
DIFFERENCES = {
    "epochs": ({}, {"epochs": 3}, "recipe.epochs"),
    "batch size": ({}, {"batch_size": 32}, "recipe.batch_size"),
    "early stopping": (
        {"early_stopping": lw.EarlyStopping("rmse", patience=2)},
        {"early_stopping": lw.EarlyStopping("rmse", patience=3)},
        "recipe.early_stopping.patience",
    ),
    "early stopping at all": (
        {},
        {"early_stopping": lw.EarlyStopping("rmse")},
        "recipe.early_stopping",
    ),
    "probe size": ({}, {"probe_size": 9}, "recipe.probe_size"),
    "seed": ({}, {"seed": 1}, "seed"),
    "optimizer": ({}, {"optimizer": "sgd"}, "recipe.optimizer"),
    "learning rate": (
        {"optimizer": keras.optimizers.Adam(0.001)},
        {"optimizer": keras.optimizers.Adam(0.002)},
        "recipe.optimizer.learning_rate",
    ),
    "schedule": (
        {"optimizer": keras.optimizers.Adam(RATE(0.1, 5, 0.9))},
        {"optimizer": keras.optimizers.Adam(RATE(0.1, 6, 0.9))},
        "recipe.optimizer.learning_rate",
    ),
    "clipping": ({}, {"optimizer": keras.optimizers.Adam(clipnorm=1.0)}, "clipnorm"),
    "range": ({}, {"space": {"mse": 1.0, "under": lw.LogUniform(0.1, 20.0)}}, "space.under.high"),
    "kind": ({}, {"space": {"mse": 1.0, "under": lw.Uniform(0.1, 10.0)}}, "space.under.kind"),
    "simplex": ({}, {"space": lw.Simplex()}, "space"),
    "scales": ({}, {"scales": {"mse": 2.0, "under": 1.0}}, "scales"),
    "a scale": (
        {"scales": {"mse": 1.0, "under": 1.0}},
        {"scales": {"mse": 2.0, "under": 1.0}},
        "scales.mse",
    ),
    "baselines": ({}, {"baselines": [{"mse": 1.0, "under": 3.0}]}, "baselines"),
    "another term": ({}, {"terms": {"mse": "mae", "under": lw.terms.Underestimation()}}, "terms"),
    "argument of a term": (
        {},
        {"terms": {"mse": "mse", "under": lw.terms.Underestimation(factor=3.0)}},
        "terms.under.factor",
    ),
    "argument of a Keras loss": (
        {"terms": {"mse": keras.losses.Huber(1.0), "under": "mae"}},
        {"terms": {"mse": keras.losses.Huber(2.0), "under": "mae"}},
        "terms.mse.delta",
    ),
    "code of a term": ({"terms": OWN}, {"terms": {"mse": "mse", "under": other_term}}, "code"),
    "lambda": (
        {"terms": {"mse": "mse", "under": lambda y, p: ops.mean(ops.abs(y - p), axis=-1)}},
        {"terms": {"mse": "mse", "under": lambda y, p: ops.max(ops.abs(y - p), axis=-1)}},
        "code.terms.under",
    ),
    "argument of a loss of one's own": (
        {"terms": {"mse": "mse", "under": OwnLoss(2.0)}},
        {"terms": {"mse": "mse", "under": OwnLoss(3.0)}},
        "code.terms.under",
    ),
    "code of a term on masks": (
        {"terms": {"mse": "mse", "under": lw.terms.reading(own_term)}},
        {"terms": {"mse": "mse", "under": lw.terms.reading(other_term)}},
        "code.terms.under",
    ),
    "model": ({}, {"build_model": other_model}, "code.build_model"),
    "objective": ({}, {"objectives": {"rmse": "maximize"}}, "objectives.rmse"),
    "argument of a metric": (
        {"metrics": {"rmse": lw.metrics.PinballLoss(0.5)}},
        {"metrics": {"rmse": lw.metrics.PinballLoss(0.9)}},
        "metrics.rmse.tau",
    ),
    "another metric": ({}, {"metrics": {"rmse": lw.metrics.MAE()}}, "metrics.rmse.class"),
    "one more metric": (
        {},
        {"metrics": {"rmse": lw.metrics.RMSE(), "bias": lw.metrics.Bias()}},
        "metrics.bias",
    ),
    "a value of the data": ({}, {"data": (X, Y + 1e-3)}, "data"),
    "weights of the data": ({}, {"data": (X, Y, np.arange(1.0, 7.0))}, "data"),
    "order of the data": ({}, {"data": (X[::-1], Y[::-1])}, "data"),
}


@pytest.mark.parametrize(("one", "two", "field"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_every_difference_is_named(one, two, field):
    """Whatever changes a number is a difference, in both directions, with both values."""
    before, after = on_disk(manifest(**one)), manifest(**two)
    for old, new in ((before, after), (on_disk(after), manifest(**one))):
        with pytest.raises(SweepChanged, match=field) as raised:
            check_same(old, new)
        assert "was" in str(raised.value)
        assert "is now" in str(raised.value)


@pytest.mark.parametrize(
    "same",
    [{}, {"script": "/elsewhere/x.py", "created": "2027-01-01", "shown": {"a": 1}, "trials": 9},
     {"optimizer": "adam"}, {"optimizer": keras.optimizers.Adam()},
     {"data": (X.astype("float32"), Y.copy())}],
    ids=["made again", "place and time", "name of an optimizer", "optimizer", "copied data"],
)  # fmt: skip
def test_what_decides_no_number_is_no_difference(same):
    """The same sweep made anew, in the same process or another, is the same sweep."""
    assert check_same(on_disk(manifest()), manifest(**same)) == []
    assert digest(manifest()["recipe"]) == digest(on_disk(manifest(**same))["recipe"])


def test_terms_and_metrics_of_ones_own_are_the_same_when_made_again():
    """Keras numbers the objects of a process: their names are no difference."""
    for _ in range(2):
        one = manifest(terms={"mse": "mse", "under": OwnLoss(2.0)})
        two = manifest(terms={"mse": "mse", "under": OwnLoss(2.0)})
        assert check_same(on_disk(one), two) == []


@pytest.mark.parametrize("package", ["python", "keras", "tensorflow", "numpy", "optuna"])
def test_major_versions_count_and_minor_ones_do_not(package):
    """Results do not change on purpose within a major version."""
    old, new = on_disk(manifest()), manifest()
    major, _, rest = new["versions"][package].partition(".")
    old["versions"][package] = f"{major}.999"
    assert check_same(old, new) == []
    old["versions"][package] = f"{int(major) + 1}.{rest}"
    with pytest.raises(SweepChanged, match=f"versions.{package}"):
        check_same(old, new)


def test_accepted_changes_are_returned_for_the_record():
    """A change that the user accepts by its field is recorded with both values; others are not."""
    old, new = on_disk(manifest()), manifest(build_model=other_model, epochs=9)
    with pytest.raises(SweepChanged, match=r"recipe\.epochs") as raised:
        check_same(old, new, ["code"])
    assert "code.build_model" not in str(raised.value)
    changes = check_same(old, new, ["code.build_model", "recipe"])
    assert [change["field"] for change in changes] == ["recipe.epochs", "code.build_model"]
    assert (changes[0]["was"], changes[0]["is"]) == (20, 9)


@pytest.mark.parametrize("field", ["space", "objectives"])
def test_what_the_study_is_made_of_cannot_be_accepted(field):
    """A study of another space or other objectives could not be gone on with."""
    changes = {"space": lw.Simplex()} if field == "space" else {"objectives": {"rmse": "maximize"}}
    with pytest.raises(SweepChanged, match=field):
        check_same(on_disk(manifest()), manifest(**changes), [field])


def test_prefix_of_a_field_accepts_no_other_field():
    """Accepting ``data`` does not accept ``data_of_something_else``."""
    old, new = {"data": 1, "data_more": 1}, {"data": 2, "data_more": 2}
    with pytest.raises(SweepChanged, match="data_more"):
        check_same(old, new, ["data"])


def test_arguments_that_only_one_version_wrote_down():
    """Of a term or metric of the user's own, whose code is compared; not what both wrote."""
    old = {
        "code": {"terms": {"own": {"source": "a", "reduction": "sum"}}},
        "metrics": {"miss": {"class": "Miss", "direction": "minimize"}},
    }
    more = copy.deepcopy(old)
    more["code"]["terms"]["own"]["beta"] = 2.0
    more["metrics"]["miss"]["k"] = {"a": 3}
    assert check_same(old, more) == check_same(more, old) == []
    for path in (("code", "terms", "own", "source"), ("code", "terms", "own", "reduction")):
        other = copy.deepcopy(more)
        other[path[0]][path[1]][path[2]][path[3]] = "b"
        with pytest.raises(SweepChanged, match=path[3]):
            check_same(old, other)
    gone = copy.deepcopy(old)
    del gone["code"]["terms"]["own"]
    with pytest.raises(SweepChanged, match=r"code\.terms"):
        check_same(old, gone)


def test_settings_of_keras_are_compared_where_they_were_written():
    """Another policy is named, with what to do; manifests of earlier versions have none."""
    old, new = on_disk(manifest()), on_disk(manifest())
    new["keras"]["dtype_policy"] = "mixed_float16"
    with pytest.raises(SweepChanged) as raised:
        check_same(old, new)
    said = str(raised.value)
    assert "keras.dtype_policy: was 'float32', is now 'mixed_float16'" in said
    assert "`if __name__ == '__main__':`" in said
    assert "--accept-change keras" in said
    del old["keras"]
    assert check_same(old, new) == []


def test_a_field_that_is_gone_or_new_is_a_difference():
    """A manifest of a later or earlier version of this package is not silently the same."""
    old, new = on_disk(manifest()), manifest()
    gone = copy.deepcopy(old)
    del gone["recipe"]["epochs"]
    for pair in ((gone, new), (old, {**new, "more": {"x": 1}})):
        with pytest.raises(SweepChanged):
            check_same(*pair)


def variants(template):
    """Functions from a piece of code with a hole, by what fills it."""

    def make(folder, filling):
        path = folder / "code.py"
        path.write_text(template.format(filling))
        names = {"__name__": "a_script_that_was_run"}
        exec(compile(path.read_text(), str(path), "exec"), names)
        return names["f"]

    return make


CODE = {
    "body": ("def f(x):\n    return x {}\n", "+ 1", "+ 2"),
    "constant beside it": ("N = {}\ndef f(x):\n    return x + N\n", "1", "2"),
    "function beside it": ("def g(x):\n    return {}\ndef f(x):\n    return g(x)\n", "x", "-x"),
    "two steps away": (
        "K = {}\ndef h():\n    return K\ndef g():\n    return h()\ndef f():\n    return g()\n",
        "1",
        "2",
    ),
    "default": ("def f(x, n={}):\n    return x + n\n", "1", "2"),
    "closed over": ("def make(n):\n    return lambda x: x + n\nf = make({})\n", "1", "2"),
    "method": (
        "class C:\n    def g(self):\n        return {}\ndef f():\n    return C().g()\n",
        "1",
        "2",
    ),
    "base class": (
        "class B:\n    n = {}\nclass C(B):\n    def g(self):\n        return self.n\n"
        "def f():\n    return C().g()\n",
        "1",
        "2",
    ),
    "class of values": ("class Config:\n    n = {}\ndef f():\n    return Config.n\n", "1", "2"),
    "partial": (
        "import functools\ndef g(n):\n    return n\nf = functools.partial(g, {})\n",
        "1",
        "2",
    ),
    "nested function": ("def f():\n    def g():\n        return {}\n    return g\n", "1", "2"),
    "global in a nested function": ("N = {}\ndef f():\n    return lambda: N\n", "1", "2"),
}


@pytest.mark.parametrize(("template", "one", "two"), CODE.values(), ids=CODE.keys())
def test_code_is_known_by_all_that_it_uses(tmp_path, template, one, two):
    """A change in what a function does is noticed wherever it is written."""
    import linecache

    make, hashes = variants(template), []
    for filling in (one, two, one):
        hashes.append(code_hash(make(tmp_path, filling)))
        linecache.clearcache()
    assert hashes[0] != hashes[1]
    assert hashes[0] == hashes[2]


def test_comments_and_layout_do_not_count(tmp_path):
    """Code that was only tidied up is the same code."""
    import linecache

    make, hashes = variants("{}"), []
    for text in (
        "def f(x):\n    return (x, 1)\n",
        "# new\n\n\ndef f(x):  # why\n\n    # because\n    return (\n        x, 1)\n",
    ):
        hashes.append(code_hash(make(tmp_path, text)))
        linecache.clearcache()
    assert hashes[0] == hashes[1]


def test_code_without_a_file_is_known_too():
    """What was typed into a prompt or a notebook is known by what it was compiled to."""

    def typed(code):
        names = {}
        exec(code, names)
        return names["f"]

    assert code_hash(typed("f = lambda x: x + 12")) != code_hash(typed("f = lambda x: x + 21"))
    assert code_hash(typed("f = lambda x: x + 1")) == code_hash(typed("f = lambda x: x + 1"))
    assert code_hash(typed("f = lambda x: x.a")) != code_hash(typed("f = lambda x: x.b"))


def test_the_least_effect_is_a_field_if_it_is_not_the_usual_one():
    """So that folders of earlier versions are the same sweeps; a later change is told."""
    assert "min_effect" not in manifest()
    said = manifest(min_effect=0.02)
    assert said["min_effect"] == 0.02
    with pytest.raises(SweepChanged, match=r"min_effect: was 0.02, is now None"):
        check_same(said, manifest())
