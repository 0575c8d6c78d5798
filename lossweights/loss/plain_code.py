"""The loss of a weight set as code that needs Keras alone, for where this package is not."""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lossweights.base.errors import WeightSetError
from lossweights.loss.weight_set import WeightSet

_SOURCE = Path(__file__).with_name("_plain_terms.py")
_KERAS = "keras:"
# The function of each class of terms; losses of Keras that are one of ours have ours.
FUNCTIONS: Mapping[str, str] = {
    "MeanSquaredError": "mean_squared_error",
    "MeanAbsoluteError": "mean_absolute_error",
    "Huber": "huber",
    "Underestimation": "underestimation",
    "Overestimation": "overestimation",
    "Pinball": "pinball",
    "Expectile": "expectile",
    "Newsvendor": "newsvendor",
    "Linex": "linex",
    "Boundary": "boundary",
    "TotalVariation": "total_variation",
    "SoftBoundaryDice": "soft_boundary_dice",
    "BoundaryF1": "boundary_f1",
    "DistanceBoundary": "distance_boundary",
    "HausdorffDistance": "hausdorff_distance",
    "Dice": "dice",
    "Tversky": "tversky",
    "Focal": "focal",
}
# Terms of masks, of which some classes may be left out.
_OF_MASKS = (
    "SoftBoundaryDice", "BoundaryF1", "DistanceBoundary", "HausdorffDistance", "Dice", "Tversky",
    "Focal",
)  # fmt: skip
_SAME_IN_KERAS = ("MeanSquaredError", "MeanAbsoluteError", "Huber")
_CLASS_NUMBERS = ("CategoricalGeneralizedCrossEntropy", "SparseCategoricalCrossentropy")
_SEQUENCES = ("CTC", "Circle")
_ADDED = "Added"  # the class of terms that the model adds itself
_WIDTH = 88  # of the text in comments


class _Call(NamedTuple):
    """How a term is called: a function, what it is given, and a loss of Keras if it needs one."""

    function: str
    arguments: str
    keras_loss: str = ""


def plain_code(weights: WeightSet) -> str:
    """Python code that defines ``loss(y_true, y_pred)``, one value per sample, with these weights.

    It needs Keras and nothing else: ``model.compile(optimizer, loss=loss)``. Terms of weight 0 are
    left out. The code is plain text, made of a fixed table and of the numbers in the set. What the
    model adds itself is not in it: a comment says what to write in the model instead.

    Args:
        weights: The set.

    Raises:
        WeightSetError: A term is code of the user's own, or has no plain form; weights change over
            the epochs; or the model adds all terms itself.

    >>> code = plain_code(WeightSet({"mse": 2.0}, terms={"mse": {"class": "MeanSquaredError"}}))
    >>> print(code[code.index("def loss"):])
    def loss(y_true, y_pred):
        \"\"\"The weighted sum of the terms, one value per sample.\"\"\"
        refuse_masks(y_pred)
        total = 0.0
        total = total + 2.0 * mean_squared_error(y_true, y_pred)  # mse
        return total
    <BLANKLINE>
    """
    if weights.ramps:
        raise WeightSetError(
            f"Expected weights that stay as they are. Found some that change over the epochs: "
            f"{sorted(weights.ramps)}. Use weights.loss(), with "
            f"lw.adaptive.ramps(None, weights.ramps) among the callbacks."
        )
    constants: list[str] = []
    lines: list[str] = []
    used = {"refuse_masks"}
    outputs: list[str] = []
    added: list[str] = []
    for name, weight in weights.weights.items():
        if weight == 0:
            continue
        description = dict(weights.terms.get(name) or {})
        if description.get("class") == _ADDED:
            added.append(_written_in_the_model(name, weight, description))
            continue
        output, on_mask = description.pop("output", None), description.pop("on_mask", False)
        target = description.pop("target", None)
        for key, what in {"weight": "weights of elements", "missing": "unknown labels"}.items():
            if key in description:
                raise WeightSetError(
                    f"Expected the term {name!r} to read targets alone. Found {what}, which plain "
                    f"code does not have. Use weights.loss()."
                )
        of_masks = description.get("class") in _OF_MASKS
        said = [key for key in ("ignore", "classes") if of_masks and key in description]
        chosen: dict[str, Any] = {key: description.pop(key) for key in said}
        call = _call(name, description)
        arguments = call.arguments
        if call.keras_loss:
            constants.append(f"LOSS_{len(constants) + 1} = {call.keras_loss}\n")
            arguments = f", LOSS_{len(constants)}{arguments}"
        true, pred = "y_true", "y_pred"
        if output is not None:
            outputs.append(output)
            true, pred = (f"{each}[{_literal(output, name)}]" for each in (true, pred))
        if target is not None:
            true = f"{true}[..., {_channels(target, name)}]"
        if on_mask:
            used.add("plain_masks")
            true = f"plain_masks({true}, {pred})"
        used.add(call.function)
        factor, read = _literal(float(weight), name), f"{true}, {pred}"
        if chosen:
            used.add("of_classes")
            read = f"*of_classes({read}{_named(chosen, name)})"
        lines.append(
            f"    total = total + {factor} * {call.function}({read}{arguments})  # {name}\n"
        )
    if not lines:
        raise WeightSetError(
            "Expected a term that reads targets or predictions. Found those alone that the model "
            "adds itself, which no function of them computes. Use weights.loss()."
        )
    functions = [f"{source}\n\n\n" for source in _functions(used)]
    doc = (
        '    """The weighted sum of the terms, one value per sample."""\n'
        "    refuse_masks(y_pred)\n    total = 0.0\n"
    )
    parts = [
        *_header(weights, outputs, added),
        "import keras\nfrom keras import ops\n\n",
        *constants,
    ]
    parts += ["\n" if not constants else "\n\n", *functions, "def loss(y_true, y_pred):\n", doc]
    return "".join([*parts, *lines, "    return total\n"])


def _written_in_the_model(name: str, weight: float, description: Mapping[str, Any]) -> str:
    """What to write in the model for a loss that it adds under a name."""
    return (
        f"Without {name}, which the model adds itself: in the place of its AddedLoss("
        f"{_literal(description.get('loss'), name)}) write self.add_loss("
        f"{_literal(float(weight), name)} * keras.ops.mean(values)) in a layer."
    )


def _header(weights: WeightSet, outputs: Iterable[str], added: Iterable[str]) -> Iterable[str]:
    """Comments on what this is; whatever a set says stays in its line."""
    measured = ", ".join(f"{name} {value:.4g}" for name, value in weights.metrics.items())
    versions = weights.provenance.versions
    said = [
        f"Loss of the weight set {weights.name or 'without a name'}, made by lossweights.",
        *([f"On validation data: {measured}."] if measured else []),
        *(str(weights.origin[key]) for key in ("sentence", "note", "warning", "rescaled")
          if key in weights.origin),
        *([f"Trained with {', '.join(f'{k} {v}' for k, v in versions.items())}."] if versions
          else []),
        "Use it: model.compile(optimizer, loss=loss)." if not outputs else
        "y_true and y_pred are dicts by output; a training step of your own calls it.",
        *added,
    ]  # fmt: skip
    for text in said:
        words, line = _in_a_line(text).split(), "#"
        for word in words:
            if len(line) + len(word) >= _WIDTH and line != "#":
                yield f"{line}\n"
                line = "#"
            line += f" {word}"
        yield f"{line}\n"
    yield "\n"


def _in_a_line(text: str) -> str:
    """Text without any sign that could end a comment."""
    return " ".join(text.encode("ascii", "backslashreplace").decode("ascii").split())


def _channels(text: object, name: str) -> str:
    """Channels of the last axis, as an index of plain numbers."""
    if not isinstance(text, str) or not re.fullmatch(r"-?\d*:-?\d*|-?\d+(,-?\d+)*", text):
        raise WeightSetError(
            f"Expected channels as the target of the term {name!r}, such as '0:2'. Found "
            f"{text!r:.80}. Describe the term with lw.terms.describe."
        )
    if ":" in text:
        return text
    numbers = [int(each) for each in text.split(",")]
    if len(numbers) > 1:
        raise WeightSetError(
            f"Expected channels side by side as the target of the term {name!r} in plain code. "
            f"Found {text}. Use weights.loss()."
        )
    return f"{numbers[0]}:{numbers[0] + 1 or ''}"


def _call(name: str, description: dict[str, Any]) -> _Call:
    """How a term is called, from its description."""
    kind = description.pop("class", None)
    if kind is None:
        raise WeightSetError(
            f"Expected a description of the term {name!r}. Found none: it is code of your own. "
            f"Plain code can be printed of sets with terms of lw.terms and of Keras."
        )
    keras_name = kind.removeprefix(_KERAS) if kind.startswith(_KERAS) else ""
    if keras_name in _SAME_IN_KERAS and "axis" not in description:
        kind, keras_name = keras_name, ""
    if keras_name:
        return _of_keras(name, keras_name, description)
    function = FUNCTIONS.get(kind)
    if function is None:
        raise WeightSetError(
            f"Expected the term {name!r} to be one of {sorted(FUNCTIONS)}, or one of Keras. Found "
            f"{kind!r:.80}. Update lossweights, or use weights.loss()."
        )
    known = [argument.arg for argument in _tree()[function].args.args[2:]]
    if not set(description) <= set(known):
        raise WeightSetError(
            f"Expected arguments of the term {name!r} among {known}. Found {sorted(description)}. "
            f"Update lossweights, or use weights.loss()."
        )
    return _Call(function, _named(description, name))


def _of_keras(name: str, loss: str, description: dict[str, Any]) -> _Call:
    if not _is_name(loss) or not all(map(_is_name, description)):
        raise WeightSetError(
            f"Expected a loss of Keras as the term {name!r}. Found {loss!r:.80} with "
            f"{sorted(description)}. Describe the term with lw.terms.describe."
        )
    made = f"keras.losses.{loss}({_named(description, name).removeprefix(', ')})"
    if loss in _SEQUENCES:
        return _Call("of_sequences", "", made)
    if loss in _CLASS_NUMBERS:
        ignored = description.get("ignore_class")
        said = "" if ignored is None else f", {_literal(ignored, name)}"
        return _Call("of_class_numbers", said, made)
    return _Call("of_keras", "", made)


def _named(arguments: Mapping[str, Any], term: str) -> str:
    return "".join(f", {key}={_literal(value, term)}" for key, value in arguments.items())


def _literal(value: Any, term: str) -> str:
    """A plain value as Python spells it, in ASCII."""
    if isinstance(value, list | tuple):
        inner = ", ".join(_literal(item, term) for item in value)
        return f"({inner}{',' if len(value) == 1 else ''})"
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if value is None or isinstance(value, str | bool) or is_number:
        return ascii(value)
    raise WeightSetError(
        f"Expected numbers, texts and lists as arguments of the term {term!r}. Found "
        f"{value!r:.80}. Describe the term with lw.terms.describe."
    )


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text)


@cache
def _tree() -> dict[str, ast.FunctionDef]:
    """The functions of plain terms by name, in their order, without annotations."""
    tree = ast.parse(_SOURCE.read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, *node.args.kwonlyargs):
                argument.annotation = None
            found[node.name] = node
    return found


def _functions(used: Iterable[str]) -> list[str]:
    """The source of some functions and of all that these call."""
    functions, due, needed = _tree(), list(used), set()
    while due:
        name = due.pop()
        if name not in needed:
            needed.add(name)
            names = (n.id for n in ast.walk(functions[name]) if isinstance(n, ast.Name))
            due += [each for each in names if each in functions]
    return [ast.unparse(node) for name, node in functions.items() if name in needed]
