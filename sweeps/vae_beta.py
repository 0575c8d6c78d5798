"""How much a variational autoencoder is to be regular: beta, the weight of its KL.

Data: the 1797 handwritten digits of scikit-learn, 8 by 8 pixels. The model learns to draw clean
digits from clean ones; it is judged by how it redraws digits under a noise that it has never seen.
A small beta keeps the noise, a large one draws every digit alike.

The KL is about no target: the model adds it under the name "kl", and `lw.terms.added` makes it a
term. Both terms are in nats per pixel, so that a weight of 1 is the evidence lower bound.
"""

import numpy as np
from sklearn.datasets import load_digits

import lossweights as lw

PIXELS, LATENT = 64, 8
NOISE = 0.35  # standard deviation, of ink from 0 to 1


def load_data() -> lw.Data:
    """Training digits as they are; those to judge by with noise in the input alone."""
    rng = np.random.default_rng(0)
    ink = rng.permutation(load_digits().data / 16.0).astype("float32")
    noisy = np.clip(ink + rng.normal(0.0, NOISE, ink.shape), 0.0, 1.0).astype("float32")
    val, test = slice(1000, 1400), slice(1400, None)
    return lw.Data(
        train=(ink[:1000], ink[:1000]), val=(noisy[val], ink[val]), test=(noisy[test], ink[test])
    )


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes
    from keras import layers, ops

    x = keras.Input((PIXELS,))
    hidden = layers.Dense(64, activation="relu")(x)
    mean, log_variance = layers.Dense(LATENT)(hidden), layers.Dense(LATENT)(hidden)
    noise = layers.GaussianNoise(1.0)(ops.zeros_like(mean))  # in training alone
    z = mean + ops.exp(0.5 * log_variance) * noise
    kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)
    z = lw.terms.AddedLoss("kl")(z, kl / PIXELS)
    drawn = layers.Dense(64, activation="relu")(z)
    return keras.Model(x, layers.Dense(PIXELS, activation="sigmoid")(drawn))


def make_optimizer() -> object:
    import keras

    return keras.optimizers.Adam(3e-3)


sweep = lw.Sweep(
    name="vae-beta",
    build_model=build_model,
    load_data=load_data,
    terms={"nll": "binary_crossentropy", "kl": lw.terms.added("kl")},
    space={"nll": lw.Fixed(1.0), "kl": lw.LogUniform(1e-3, 1e1)},
    scales=None,  # the weight of the KL is beta itself
    metrics={"rmse": lw.metrics.RMSE(), "lost_ink": lw.metrics.Shortfall()},
    objectives={"rmse": "minimize", "lost_ink": "minimize"},
    baselines=[{"nll": 1.0, "kl": 1.0}],  # the evidence lower bound
    optimizer=make_optimizer(),
    epochs=30,
    batch_size=50,
)

if __name__ == "__main__":
    sweep.main()
