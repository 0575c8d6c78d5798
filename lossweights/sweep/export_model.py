"""The trained model of a sweep as a file that other programs read."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossweights.base.errors import RecipeError, StoreError
from lossweights.base.files import write_atomic
from lossweights.loss.trained import model_file
from lossweights.loss.weight_set import WeightSet
from lossweights.results.promotion import promoted_set
from lossweights.results.result import SweepResult
from lossweights.results.weights import pick_path

FORMATS = {"savedmodel": "tf_saved_model", "onnx": "onnx"}  # as Keras calls them
_HOW = {"savedmodel": "", "onnx": ": pip install 'lossweights[onnx]'"}


def export_model(result: SweepResult, pick: str | None, to: Path, form: str = "keras") -> Path:
    """Write the trained model of a pick; no format needs this package to be read.

    Args:
        result: The sweep.
        pick: The pick; by default what is promoted, of which a sweep keeps the model.
        to: File to write; a folder for ``"savedmodel"`` and ``"mlflow"``.
        form: ``"keras"``, ``"savedmodel"``, ``"onnx"``, or ``"mlflow"``, which MLflow serves.

    Raises:
        PickError: There is no such pick.
        WeightSetError: It has no trained model.
        RecipeError: The file has another ending, a library for the format is not installed, or the
            model cannot be written so.
        StoreError: The file cannot be written.
    """
    weights = with_home(result, result.best(pick) if pick else promoted_set(result))
    if form == "keras":
        path = model_file(weights)
        if path.suffix != to.suffix:
            raise RecipeError(
                f"Expected a file that ends in {path.suffix}, as the saved model is. Found "
                f"{to.name!r}. Say --model {to.stem}{path.suffix}."
            )
        write_atomic(to, path.read_bytes())
        return to
    if to.exists():
        raise StoreError(
            f"Expected a new path for the model. Found {to}. Remove it, or say another."
        )
    _export(weights, to, form)
    return to


def trained_file(result: SweepResult, weights: WeightSet) -> Path:
    """The file of the trained model of a set of a sweep; a `WeightSetError` if there is none."""
    return model_file(with_home(result, weights))


def with_home(result: SweepResult, weights: WeightSet) -> WeightSet:
    """A set of a sweep, which knows the folder that its model lies in."""
    home = pick_path(result.root, result.name, "knee").parent
    return replace(weights, home=home, recorded=True)


def _export(weights: WeightSet, to: Path, form: str) -> None:
    model: Any = weights.model()
    to.parent.mkdir(parents=True, exist_ok=True)
    if form == "mlflow":
        from lossweights.tracking import save_model

        save_model(model, to, weights)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tf2onnx asks NumPy for names that it will have
            _call_once(model)
            model.export(to, format=FORMATS[form], verbose=False)
    except ImportError as error:
        _remove(to)
        raise RecipeError(
            f"Expected the libraries that write {form}. Found: {error}. Install them{_HOW[form]}, "
            f"or export --format keras."
        ) from None
    except OSError as error:
        _remove(to)
        raise StoreError(f"Cannot write {to}: {error}. Check the disk and its rights.") from error
    except Exception as error:  # a layer that has no counterpart there, in the words of a library
        _remove(to)
        raise RecipeError(
            f"Expected a model that Keras can write as {form}. Found {type(error).__name__}: "
            f"{error}. Export --format keras."
        ) from error


def _call_once(model: Any) -> None:
    """Have Keras know the model's input: ONNX is refused of one that was loaded and not called."""
    given = getattr(model, "input", None)  # a Sequential has none before its first call
    if given is None and getattr(model, "inputs", None):
        given = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    if given is not None:
        model(given)


def _remove(to: Path) -> None:
    """Leave nothing of what could not be written whole."""
    shutil.rmtree(to, ignore_errors=True)
    to.unlink(missing_ok=True)
