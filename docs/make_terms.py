"""Makes docs/terms.md and its picture from the docstrings and the code of terms and metrics.

python docs/make_terms.py           writes both
python docs/make_terms.py --check   says whether the page is what the code says today
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import lossweights as lw
from lossweights.base.arguments import parameters

DOCS = Path(__file__).parent
PAGE = DOCS / "terms.md"
PICTURE = DOCS / "images" / "boundary-shift.svg"

INTRODUCTION = """\
# Terms and metrics

Made from the code by `docs/make_terms.py`; `e = y_true - y_pred`, so `e > 0` is underestimation,
and `relu(e) = max(e, 0)`.

A **term** is a Keras loss with one value per sample: use it alone in `model.compile(loss=...)`, or
as a summand of `lw.CombinedLoss`. A **metric** is one number for a whole data set, free of any loss
weight: use it as an objective of a sweep, in `model.compile(metrics=[...])`, or as a function of
arrays.

A weight of 0 switches a term off in the loss and its gradient, even where the term is undefined. A
factor that all element weights of a sample have in common multiplies a mean over elements, and
cancels in a ratio of sums (`Dice`, `Tversky`, `SoftBoundaryDice`, `BoundaryF1`).

## Our names and the literature's

| here | in papers | source |
| --- | --- | --- |
| `DistanceBoundary` | "boundary loss" | Kervadec et al., arXiv:1812.07032; here shifted, so that it is 0 at the truth |
| `Boundary` | "gradient matching", "gradient difference loss" with signs | Li and Snavely, CVPR 2018 |
| `BoundaryF1` | also "boundary loss", for remote sensing | Bokhovkin and Burnaev, arXiv:1905.07852 |
| `HausdorffDistance` | the half of "Hausdorff distance loss" that needs the truth alone | Karimi and Salcudean, arXiv:1904.10030 |
| `Tversky(alpha, beta)` | the letters of the paper; `keras.losses.Tversky` swaps them | arXiv:1706.05721 |

A comparison with "boundary loss" of a paper on segmentation is one with `DistanceBoundary`.
"""  # noqa: E501  a row of a table is one line

READS = """\
## What a term reads

A term reads one array of targets and one of predictions. What else there may be is said around it, and
works alike in `compile` and `fit`, in `TermMonitor`, in a sweep with every trainer, and in a weight set.

**One output of several, or between outputs.** `on("a", term)` reads one output, `on(("a", "b"), f)` gives
a function dicts of some; a function alone gets dicts of all. Compile with one loss for each output:
`loss.by_output(model.output_names)`. What is between outputs counts in the loss that Keras logs for the
last of them; `loss_weights` are refused beside it. Under weights by output it is weighed by their geometric mean.

```python
>>> import numpy as np
>>> from keras import ops
>>> import lossweights as lw
>>> y = {"low": [[1.0], [2.0]], "high": [[3.0], [4.0]]}
>>> p = {"low": [[1.0], [5.0]], "high": [[3.0], [4.0]]}
>>> loss = lw.CombinedLoss({
...     "low": lw.terms.on("low", "mse"),
...     "order": lw.terms.on(("low", "high"), lambda y, p: ops.relu(p["low"] - p["high"])),
... })
>>> {name: float(mean) for name, mean in loss.components(y, p).items()}
{'low': 4.5, 'order': 0.5}
>>> crossed = lw.metrics.on(("low", "high"), lambda y, p: p["low"] > p["high"], better="smaller")
>>> crossed.evaluate(y, p)
0.5

```

**More in the target than the value.** A price, a flag, a mask or a distance map rides along as further
channels of `y_true`. `reading` says which of them are the target, which weigh the elements, and which a
function of yours gets by name; without `target` it is the first ones, as many as are predicted.

```python
>>> y, p = [[3.0, 10.0], [5.0, 1.0]], [[2.0], [2.0]]  # a demand and its price
>>> float(lw.terms.reading("mae", target=0)(y, p))
2.0
>>> float(lw.terms.reading("mae", target=0, weight=1)(y, p))
6.5
>>> lost = lw.terms.reading(lambda y, p, price: ops.relu(y - p) * price, target=0, price=1)
>>> float(lost(y, p))
6.5
>>> lw.metrics.reading(lw.metrics.MAE(), target=0).evaluate(y, p)
2.0

```

**Weights of elements and of classes.** Wherever `model.fit` takes `sample_weight` it may have one number for
each element: the shape of `y`, with or without its last axis, or a dict of such by output. So may
`lw.Data(train=(x, y, weight))`, `TermMonitor(probe=)`, `lw.plan` and `lw.reference_scales`. The loss is the mean of
weight times loss over elements, as in Keras; the ratios of `Dice` and the like have them in their sums. What has
one value a sample refuses them, before a sweep trains or at the first batch of `fit`.

```python
>>> y, p = np.array([[0.0, 1.0], [2.0, 0.0]]), np.zeros((2, 2))
>>> weight = np.array([[1.0, 1.0], [5.0, 0.0]])
>>> float(lw.CombinedLoss({"mae": "mae"})(y, p, weight))  # (0 + 1 + 10 + 0) / 4
2.75
>>> lw.metrics.MAE().evaluate(y, p, weight)  # metrics divide by the weights: 11 / 7
1.5714285714285714
>>> data = lw.Data(train=(p, np.array([0, 1])), val=(p, np.array([0, 1])), class_weight={1: 5.0})
>>> data.train.sample_weight.tolist()
[1.0, 5.0]

```

`class_weight=` makes such weights of class numbers or one-hot targets, a pixel or a row each, times those that
are given; classes left out weigh 1. It is for training alone, as in Keras: validation, and so every objective, is
not weighed by it. Metrics that are means over elements, and those of classes, take weights of elements; masks and
distances refuse them, so give `val=(x, y)` without. A `tf.data.Dataset` gives `(x, y, weight)` itself.

**Classes left out.** `ignore=0` leaves the background out of a term or metric on masks, `classes=(1, 2)` keeps
these alone; classes are the channels of the last axis. A model that finds nothing then has a Dice of 0. What the
largest channel is (`threshold=None`) is still decided among all.

```python
>>> y = np.eye(3)[[[[1, 2], [0, 0]]]]  # an image of 2 x 2 pixels
>>> p = np.broadcast_to([0.8, 0.1, 0.1], y.shape)  # background everywhere
>>> found = [lw.metrics.Dice(ignore=ignore).evaluate(y, p) for ignore in (None, 0)]
>>> [round(each, 3) for each in found]
[0.222, 0.0]
>>> lw.terms.describe(lw.terms.Dice(ignore=0))
{'class': 'Dice', 'ignore': 0}

```

**What the model adds itself.** The layer `AddedLoss("kl")` names a loss that the model adds; the term
`added("kl")` gives it a weight. [Terms without a target](no_target.md) says more.

```python
>>> import keras
>>> x = keras.Input((1,))
>>> model = keras.Model(x, lw.terms.AddedLoss("size")(x, ops.square(x)))
>>> loss = lw.CombinedLoss({"mae": "mae", "size": lw.terms.added("size")}, {"mae": 1.0, "size": 0.5})
>>> model.compile(loss=loss)
>>> x, y = np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]])
>>> {name: float(mean) for name, mean in loss.components(y, model(x)).items()}
{'mae': 1.0, 'size': 5.0}
>>> model.evaluate(x, y, verbose=0)  # 1 + 0.5 * 5
3.5

```

**Unknown labels.** NaN means that a label is unknown if `Sweep(missing="nan")` says so, or `known(term)` in
plain Keras. A mean is then that over known elements; samples weigh by how many they have. An element is as unknown
to a term if a channel is NaN that it reads beside the target.

```python
>>> y, p = [[1.0, np.nan], [2.0, 3.0]], [[2.0, 9.0], [2.0, 5.0]]
>>> float(lw.terms.known("mae")(y, p))  # (1 + 0 + 2) / 3
1.0
>>> lw.metrics.known(lw.metrics.MAE()).evaluate(y, p)
1.0

```

Overlaps of masks leave unknown elements out of both masks; contours and distances have no meaning on a part
of an image and refuse it. A function of your own gives a value for each element. Keras' masks are for what is
padded; beside unknown labels they are not supported.

**What a sweep may choose of a term.** In `Sweep(terms=)` the numbers of a term may be sampled, and one of several terms
may be chosen; in `Sweep(space=)` a term may be off, or its weight change over the epochs. All of it trains in stacks:
[choices beside the weights](choices.md).

```python
>>> lw.terms.Tversky(alpha=lw.Uniform(0.1, 0.9))
Tversky(alpha=Uniform(low=0.1, high=0.9))
>>> lw.Choice({"dice": lw.terms.Dice(), "focal": lw.terms.Focal()})
Choice(options={'dice': Dice(), 'focal': Focal()})
>>> lw.Ramp(lw.Off(lw.LogUniform(0.01, 100.0)), epochs=5)  # left out, or warmed up
Ramp(weight=Off(weight=LogUniform(low=0.01, high=100.0)), epochs=5, start=0.0, after=0)

```
"""  # noqa: E501  a paragraph may be wide

OWN = """\
## A term of your own

A subclass of `lw.terms.Term` with a method `per_sample` and arguments that are kept under their own
names can be trained with and copied, and saved once Keras knows it by
`keras.saving.register_keras_serializable()`. `lw.reference_scales` has to know more about a term
before any training, which the term says itself where it is not as here:

| what it says | meaning | unless it says |
| --- | --- | --- |
| `link` | what predictions are: values in the units of the targets or any others (`"identity"`), values from 0 to 1 (`"probability"`), log-odds (`"logit"`), log-probabilities of classes (`"softmax"`) | `"identity"` |
| `axes` | the axes that it takes differences along: a constant is one along them | `()` |
| `mapped` | whether `y_true` may carry distance maps behind its masks | `False` |
| `best_constant(targets)` | the best prediction for a model without inputs, if a formula gives it; refuses if there is none | `None`: it is searched for |
"""  # noqa: E501  a row of a table is one line

SHIFT = """\
## Boundary terms as a mask shifts

![Value of each boundary term as a square mask is shifted](images/boundary-shift.svg)

A square of 32 pixels in an image of 64 by 64, predicted with certainty and shifted to the right.
Each curve is divided by its largest value. `BoundaryF1` forgives shifts inside its tolerance;
`SoftBoundaryDice` and `BoundaryF1` saturate at once, so pair them with a region term; the distance
terms keep growing, so they still pull when the prediction is far off.

"""


def main() -> None:
    """Write the page and its picture, or check the page."""
    page = render()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != page:
            sys.exit(f"{PAGE} is not what the code says. Run: python docs/make_terms.py")
        return
    PAGE.write_text(page, encoding="utf-8")
    draw_shift(PICTURE)


def render() -> str:
    """The page as Markdown."""
    terms = list(_classes(lw.terms, lw.terms.Term))
    # Those that are made of others' have no better end by themselves: docs/metrics.md has them.
    every = _classes(lw.metrics, lw.metrics.Metric)
    metrics = [(name, cls) for name, cls in every if hasattr(cls, "direction")]
    families = dict.fromkeys(_family(cls) for _, cls in terms)
    parts = [INTRODUCTION, "## Terms\n"]
    for family in families:
        rows = [_term_row(name, cls) for name, cls in terms if _family(cls) == family]
        head = ("term", "value of a sample", "shapes", "units", "range", "source")
        parts.append(f"### {family}\n\n{_table(head, rows)}")
    parts += [READS, OWN, SHIFT]
    head = ("metric", "value of a data set", "unit", "better", "details")
    parts.append(f"## Metrics\n\n{_table(head, [_metric_row(*pair) for pair in metrics])}")
    return "\n".join(parts)


def _classes(module: object, base: type) -> Iterator[tuple[str, type]]:
    for name in module.__all__:  # type: ignore[attr-defined]
        cls = getattr(module, name)
        if inspect.isclass(cls) and issubclass(cls, base) and cls is not base:
            yield name, cls


def _family(cls: type) -> str:
    """The first sentence of the module that a term lives in."""
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    return _joined(text.split("\n\n")[0]).split(": ")[0].rstrip(".")


def _term_row(name: str, cls: type) -> tuple[str, ...]:
    paragraphs = _paragraphs(cls)
    sizes = next((p for p in paragraphs if p.startswith("Shapes")), "")
    shapes, _, rest = sizes.removeprefix("Shapes: ").partition(" Units: ")
    units, _, extent = rest.partition(" Range: ")
    source = next((p for p in paragraphs if p.startswith("Source")), "").removeprefix("Source: ")
    formula = next((p for p in paragraphs if p.startswith("``")), "")
    value = paragraphs[0] if "``" in paragraphs[0] else f"{paragraphs[0]} {formula}"
    return (f"`{name}{_signature(cls)}`", value, shapes, units, extent, source)


def _metric_row(name: str, cls: type) -> tuple[str, ...]:
    paragraphs = _paragraphs(cls)
    prose = [p for p in paragraphs[1:] if not p.startswith((">>>", "Args:", "Raises:"))]
    better = {"minimize": "smaller", "maximize": "larger"}.get(cls.direction, "neither")  # type: ignore[attr-defined]
    unit = cls.unit  # type: ignore[attr-defined]
    return (f"`{name}{_signature(cls)}`", paragraphs[0], unit, better, " ".join(prose))


def _signature(cls: type) -> str:
    """Its own arguments, without the ones that every Keras loss and metric has."""
    inherited = ("name", "reduction", "dtype")
    own = [p for p in parameters(cls).values() if p.name not in inherited]
    return (
        "(" + ", ".join(str(p.replace(annotation=p.empty)).replace(" = ", "=") for p in own) + ")"
    )


def _paragraphs(cls: type) -> list[str]:
    return [_joined(p) for p in (inspect.getdoc(cls) or "").split("\n\n")]


def _joined(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Markdown for a table cell: code is set with single ticks, a bar must not end the cell."""
    return text.replace("``", "`").replace("|", "\\|")


def draw_shift(path: Path) -> None:
    """Draw the boundary terms against the shift of a square."""
    import matplotlib as mpl

    mpl.use("svg")
    from _pictures import save_svg
    from matplotlib import pyplot as plt

    terms = {
        "Boundary (difference)": lw.terms.Boundary(axes=(1, 2)),
        "Boundary (sobel)": lw.terms.Boundary(axes=(1, 2), kernel="sobel"),
        "SoftBoundaryDice": lw.terms.SoftBoundaryDice(),
        "BoundaryF1 (theta=5)": lw.terms.BoundaryF1(),
        "DistanceBoundary": lw.terms.DistanceBoundary(),
        "HausdorffDistance": lw.terms.HausdorffDistance(),
    }
    shifts = range(15)  # beyond, the square meets the edge of the image
    truth = _square(0)
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, term in terms.items():
        mapped = isinstance(term, lw.terms.DistanceBoundary | lw.terms.HausdorffDistance)
        target = lw.terms.with_distance_map(truth) if mapped else truth
        values = np.array([float(term(target, _square(shift))) for shift in shifts])
        axes.plot(shifts, values / values.max(), marker="o", markersize=3, label=name)
    axes.set(xlabel="shift in pixels", ylabel="value, largest = 1")
    axes.legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    save_svg(figure, path)


def _square(shift: int) -> np.ndarray:
    mask = np.zeros((1, 64, 64, 1), dtype="float32")
    mask[:, 16:48, 16 + shift : 48 + shift] = 1.0
    return mask


if __name__ == "__main__":
    main()
