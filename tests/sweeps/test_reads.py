"""Whole sweeps whose terms and metrics read more than one array, trained by a worker."""

import importlib
import json
import os

import numpy as np

import lossweights as lw

SCRIPT = '''
import keras
import numpy as np
from keras import layers, ops

import lossweights as lw


def load_data():
    """Two outputs; the first has a price beside it, and is not known everywhere."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 3)).astype("float32")
    low = np.where(rng.uniform(size=(96, 1)) < 0.2, np.nan, x[:, :1])
    price = rng.uniform(1, 9, (96, 1))
    y = {"low": np.concatenate([low, price], axis=-1), "high": x[:, :1] + np.abs(x[:, 1:2])}
    first, last = ({k: v[part] for k, v in y.items()} for part in (slice(64), slice(64, None)))
    return lw.Data(train=(x[:64], first), val=(x[64:], last))


def build_model():
    x = keras.Input((3,))
    hidden = layers.Dense(6, activation="tanh")(x)
    outputs = {name: layers.Dense(1, name=name)(hidden) for name in ("low", "high")}
    return keras.Model(x, outputs)


def cost(y, p, price):
    """What an error costs."""
    return ops.square(y - p) * price


def order(y, p):
    """How far the outputs are out of order."""
    return ops.softplus(4.0 * (p["low"] - p["high"]))


def crossed(y, p):
    """Whether the outputs are out of order."""
    return p["low"] > p["high"]


sweep = lw.Sweep(
    name="reads",
    build_model=build_model,
    load_data=load_data,
    terms={
        "low": lw.terms.on("low", lw.terms.reading("mse", target=0)),
        "cost": lw.terms.on("low", lw.terms.reading(cost, target=0, price=1)),
        "high": lw.terms.on("high", "mse"),
        "order": order,
    },
    space={
        "low": lw.Fixed(1.0),
        "cost": lw.LogUniform(1e-2, 1e2),
        "high": lw.Fixed(1.0),
        "order": lw.LogUniform(1e-2, 1e2),
    },
    metrics={
        "rmse": lw.metrics.on("low", lw.metrics.reading(lw.metrics.RMSE(), target=0)),
        "crossed": lw.metrics.on(("low", "high"), crossed, better="smaller"),
    },
    objectives={"rmse": "minimize", "crossed": "minimize"},
    missing="nan",
    baselines="none",
    epochs=2,
    batch_size=16,
)

if __name__ == "__main__":
    sweep.main()
'''


def test_a_sweep_over_what_terms_read(tmp_path, monkeypatch):
    """It trains, finishes, and its weight set has a loss that needs the user's functions alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reads.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    # The worker imports the module by its name, too.
    known = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(known))
    module = importlib.import_module("reads")
    result = module.sweep.run(trials=2, workers=1, confirm=0, root=tmp_path / "mlruns")
    assert result.trials["outcome"].tolist() == ["COMPLETE"] * 2
    assert np.isfinite(result.trials[["rmse", "crossed"]].to_numpy(float)).all()
    weights = result.best("knee")
    low = json.loads(weights.to_json())["terms"]["low"]
    assert low == {"class": "MeanSquaredError", "missing": "nan", "target": "0", "output": "low"}
    terms = {name: module.sweep.problem.terms[name] for name in ("cost", "order")}
    loss, data = weights.loss(terms), module.sweep.prepare(rehearse=False).data
    made = lw.CombinedLoss(module.sweep.problem.terms, weights.weights)
    y, p = data.val.y, {name: np.ones((32, 1), "float32") for name in data.val.y}
    assert float(loss(y, p)) == float(made(y, p))
