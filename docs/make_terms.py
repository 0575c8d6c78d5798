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
    parts += [OWN, SHIFT]
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
    mpl.rcParams["svg.hashsalt"] = "lossweights"  # the same picture, the same bytes
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
    figure.savefig(path, metadata={"Date": None})


def _square(shift: int) -> np.ndarray:
    mask = np.zeros((1, 64, 64, 1), dtype="float32")
    mask[:, 16:48, 16 + shift : 48 + shift] = 1.0
    return mask


if __name__ == "__main__":
    main()
