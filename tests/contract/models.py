"""Small models, one for each kind of layer that a trainer must get right, and data for them."""

import keras
from keras import layers

ROWS, VAL_ROWS, STEPS, FEATURES, WORDS = 40, 11, 5, 4, 7  # rows make two batches of 16 and one of 8


def sequential(shape, *stack, dtype="float32"):
    """A model of these layers that ends in two outputs."""
    return keras.Sequential([keras.Input(shape, dtype=dtype), *stack, layers.Dense(2)])


def dense():
    """Dense layers with a smooth activation."""
    return sequential((FEATURES,), layers.Dense(8, activation="tanh"))


def activations():
    """Activations that compilers approximate, each in their own way."""
    names = ("gelu", "swish", "softplus", "sigmoid", "elu")
    return sequential((FEATURES,), *[layers.Dense(6, activation=name) for name in names])


def batch_normalization():
    """Statistics of the batch in training, moving averages in inference."""
    return sequential(
        (FEATURES,), layers.Dense(8, use_bias=False), layers.BatchNormalization(momentum=0.8)
    )


def layer_normalization():
    """Normalisation within a sample."""
    return sequential((FEATURES,), layers.Dense(8), layers.LayerNormalization())


def group_normalization():
    """Normalisation within groups of channels."""
    return sequential((STEPS, FEATURES), layers.GroupNormalization(2), layers.Flatten())


def unit_normalization():
    """Normalisation to length 1."""
    return sequential((FEATURES,), layers.Dense(8), layers.UnitNormalization())


def dropout():
    """Two layers that draw random numbers."""
    return sequential(
        (FEATURES,), layers.Dense(16), layers.Dropout(0.4), layers.Dense(8), layers.Dropout(0.2)
    )


def noise():
    """Random numbers that are added and multiplied."""
    return sequential(
        (FEATURES,), layers.GaussianNoise(0.2), layers.Dense(8), layers.GaussianDropout(0.3)
    )


def embedding():
    """Rows that are looked up, so that gradients are sparse."""
    return sequential((STEPS,), layers.Embedding(WORDS, 4), layers.Flatten(), dtype="int32")


def gru():
    """A loop over time."""
    return sequential((STEPS, FEATURES), layers.GRU(6))


def lstm():
    """Two loops over time, the first giving sequences."""
    return sequential((STEPS, FEATURES), layers.LSTM(6, return_sequences=True), layers.LSTM(4))


def masked_gru():
    """A loop over time that leaves out padded steps."""
    return sequential((STEPS,), layers.Embedding(WORDS, 4, mask_zero=True), layers.GRU(5))


def bidirectional():
    """Loops in both directions."""
    return sequential((STEPS, FEATURES), layers.Bidirectional(layers.SimpleRNN(5)))


def attention():
    """Attention with its softmax, residual connection and normalisation."""
    x = keras.Input((STEPS, FEATURES))
    attended = layers.MultiHeadAttention(2, 3)(x, x)
    y = layers.LayerNormalization()(x + attended)
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))


def conv1d():
    """Convolutions over time, with strides, dilation, causal padding and pooling."""
    return sequential(
        (12, FEATURES),
        layers.Conv1D(6, 3, padding="causal", activation="tanh"),
        layers.Conv1D(6, 3, strides=2, padding="same"),
        layers.Conv1D(4, 2, dilation_rate=2),
        layers.AveragePooling1D(2),
        layers.Flatten(),
    )


def separable_conv1d():
    """A convolution in two parts."""
    return sequential((12, FEATURES), layers.SeparableConv1D(6, 3), layers.Flatten())


def conv2d():
    """Convolutions over images."""
    return sequential(
        (8, 8, 2),
        layers.Conv2D(6, 3, padding="same", activation="tanh"),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 3, strides=2),
        layers.Flatten(),
    )


def conv3d():
    """A convolution over volumes."""
    return sequential(
        (4, 4, 4, 1), layers.Conv3D(4, 2, activation="tanh"), layers.GlobalAveragePooling3D()
    )


def regularized():
    """Regularisation of kernels, biases and activities, and a constraint."""
    return sequential(
        (FEATURES,),
        layers.Dense(
            8,
            kernel_regularizer="l2",
            bias_regularizer="l1",
            activity_regularizer=keras.regularizers.L2(0.01),
            kernel_constraint=keras.constraints.MaxNorm(1.0),
        ),
    )


def two_inputs():
    """Two inputs in a list."""
    a, b = keras.Input((FEATURES,)), keras.Input((1,))
    joined = layers.Concatenate()([layers.Dense(6, activation="tanh")(a), b])
    return keras.Model([a, b], layers.Dense(2)(joined))


def frozen():
    """A layer that does not train, and one that no loss depends on."""
    model = sequential((FEATURES,), layers.Dense(8), layers.Dense(8))
    model.layers[0].trainable = False
    return model


@keras.saving.register_keras_serializable(package="lossweights_tests")
class Subclassed(keras.Model):
    """A subclassed model that learns its shapes from data, with a parameter that is a scalar."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner, self.outer = layers.Dense(8, activation="tanh"), layers.Dense(2)
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")

    def call(self, x):
        """The outputs, scaled by the trained gain."""
        return self.gain * self.outer(self.inner(x))


def subclassed():
    """A model that is a class of its own."""
    return Subclassed()


STACKED = {
    build.__name__: build
    for build in (
        dense, activations, batch_normalization, layer_normalization, group_normalization,
        unit_normalization, dropout, noise, embedding, gru, lstm, bidirectional, attention, conv1d,
        regularized, two_inputs, frozen, subclassed,
    )
}  # fmt: skip
SERIAL = {
    build.__name__: build
    for build in (dense, dropout, masked_gru, separable_conv1d, conv2d, conv3d, regularized)
}


def data_for(model, rows, rng):
    """Inputs and targets of a model, made up."""
    inputs = getattr(model, "inputs", None) or [keras.KerasTensor((None, FEATURES))]
    x = [
        rng.integers(0, WORDS, (rows, *i.shape[1:])).astype("int32")
        if i.dtype == "int32"
        else rng.normal(size=(rows, *i.shape[1:])).astype("float32")
        for i in inputs
    ]
    y = rng.normal(size=(rows, 2)).astype("float32") + x[0].reshape(rows, -1)[:, :2] * 0.3
    return (x if len(x) > 1 else x[0]), y
