"""The sweeps of the soak: `python -m tests.soak.kinds KIND --trials 64 ...` launches one."""

import sys

import numpy as np

import lossweights as lw
from tests.contract import models

# One for each kind of layer that keeps something of its own between steps, or is trained its own
# way; each with the number of its workers.
KINDS = {
    "dense": 0, "batch_normalization": 1, "dropout": 2, "lstm": 0, "attention": 1, "conv2d": 2,
    "embedding": 0, "two_inputs": 1, "regularized": 2, "masked_gru": 0,
}  # fmt: skip


def sweep_of(kind: str) -> lw.Sweep:
    """A sweep of the model of that kind, on made-up data."""
    build = getattr(models, kind)

    def load_data() -> lw.Data:
        rng, model = np.random.default_rng(1), build()
        rows = (models.data_for(model, n, rng) for n in (320, 80))
        return lw.Data(**dict(zip(("train", "val"), rows, strict=True)))

    return lw.Sweep(
        name=kind.replace("_", "-"),
        build_model=build,
        load_data=load_data,
        terms={"mse": "mse", "log_cosh": "log_cosh"},
        space={"mse": lw.Fixed(1.0), "log_cosh": lw.LogUniform(1e-2, 1e2)},
        metrics={"rmse": lw.metrics.RMSE(), "mae": lw.metrics.MAE()},
        objectives={"rmse": "minimize", "mae": "minimize"},
        epochs=8,
        batch_size=16,
    )


SWEEPS = {kind: sweep_of(kind) for kind in KINDS}

if __name__ == "__main__":
    SWEEPS[sys.argv.pop(1)].main()
