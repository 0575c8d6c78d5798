"""What is done with a finished sweep: show, export, promote, compare and reproduce its weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.cli._base import AsJson, Pick, SweepName, echo_json, sentences, verb, warn
from lossweights.sweep.flags import Root, TrackingUri

if TYPE_CHECKING:
    from lossweights.loss.weight_set import WeightSet
    from lossweights.results.result import SweepResult

NOT_REPRODUCED = 1  # exit code


class ModelFormat(StrEnum):
    """How a trained model is written."""

    keras = "keras"
    savedmodel = "savedmodel"
    onnx = "onnx"
    mlflow = "mlflow"


Reference = Annotated[
    str,
    typer.Argument(help="A sweep, NAME@PICK, a file, runs:/ID or models:/NAME@champion."),
]


def _warn_of(weights: WeightSet, result: SweepResult) -> None:
    warn(str(weights.origin.get("note", "")))
    warn(result.learned_nothing)


@verb("best bike-demand --pick 'min:rmse where shortfall<=5'")
def best(
    name: SweepName,
    pick: Pick = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    code: Annotated[
        bool,
        typer.Option(
            "--code", help="Print plain Keras code of the loss; of the promoted set without --pick."
        ),
    ] = False,
) -> None:
    """Show the weight set that a pick names, by default the promoted one, and code that uses it.

    With --json it is a weight set file, which lw.load reads.
    """
    with sentences():
        from lossweights.results.promotion import promoted_set
        from lossweights.results.result import SweepResult

        if code:
            from lossweights.loss.plain_code import plain_code
            from lossweights.sweep.references import find_set

            weights = find_set(name if pick is None else f"{name}@{pick}", root)
            typer.echo(plain_code(weights), nl=False)
            warn(str(weights.origin.get("warning", "")))
            return
        result = SweepResult.read(name, root)
        weights = result.best(pick) if pick else promoted_set(result)
        if as_json:
            typer.echo(weights.to_json(), nl=False)
        else:
            from lossweights.cli._tables import print_best

            print_best(result, weights, root)
        _warn_of(weights, result)


@verb("export bike-demand --to weights.json")
def export(
    name: SweepName,
    to: Annotated[
        Path | None,
        typer.Option(help="File to write: .json the weight set; .csv, .parquet, .md, .tex trials."),
    ] = None,
    pick: Pick = None,
    root: Root = DEFAULT_ROOT,
    model: Annotated[
        Path | None, typer.Option(help="File or folder to write the trained model to.")
    ] = None,
    model_format: Annotated[
        ModelFormat, typer.Option("--format", help="How the model is written.")
    ] = ModelFormat.keras,
) -> None:
    """Write the weight set that a pick names, by default the promoted one, trials, or the model."""
    with sentences():
        from lossweights.base.errors import RecipeError
        from lossweights.results.promotion import promoted_set
        from lossweights.results.result import SweepResult

        if to is None and model is None:
            raise RecipeError(
                "Expected a file to write. Found none. Say --to weights.json, or --model out.keras."
            )
        result = SweepResult.read(name, root)
        if to is not None and to.suffix.lower() in ("", ".json"):
            weights = result.best(pick) if pick else promoted_set(result)
            typer.echo(weights.save(to))
            _warn_of(weights, result)
        elif to is not None:
            from lossweights.report.table_files import write_table

            typer.echo(write_table(result, to))
        if model is not None:
            from lossweights.sweep.export_model import export_model

            typer.echo(export_model(result, pick, model, str(model_format)))


@verb("promote bike-demand --pick min:rmse --why 'stock is cheap this year'")
def promote(
    name: SweepName,
    pick: Pick = None,
    why: Annotated[str, typer.Option(help="The reason, for the history.")] = "",
    register: Annotated[
        bool, typer.Option("--register", help="Register its trained model in MLflow before.")
    ] = False,
    root: Root = DEFAULT_ROOT,
    tracking_uri: TrackingUri = None,
    no_tracking: Annotated[
        bool, typer.Option("--no-tracking", help="Leave MLflow's run and the alias as they are.")
    ] = False,
) -> None:
    """Have the name of a sweep load another pick from now on; without --pick its own again.

    Report and MLflow show it, and the alias champion moves along where a model is registered there.
    """
    with sentences():
        from lossweights.base.errors import TrackingError
        from lossweights.report.page import write_report
        from lossweights.results.folder import sweep_folder
        from lossweights.results.promotion import promote as promote_pick
        from lossweights.results.result import SweepResult

        result = SweepResult.read(name, root)
        if register and not no_tracking:
            from lossweights.sweep.export_model import trained_file

            trained_file(result, result.best(pick or result.first_pick))  # or nothing is promoted
        weights = promote_pick(result, pick, why)
        typer.echo(f"{name} is {weights.name} now.")
        page = sweep_folder(root, name) / "report.html"
        if page.exists():
            write_report(result, page, root=root)
        _warn_of(weights, result)
        if not no_tracking:
            from lossweights.results.folder import read_manifest
            from lossweights.tracking import record_promotion, register_model, with_password

            address = tracking_uri or with_password(read_manifest(root, name).get("tracking"))
            if register:
                from lossweights.sweep.export_model import with_home

                model = with_home(result, weights).model()
                typer.echo(register_model(name, weights, model, root, address))
            try:
                said = record_promotion(name, weights, root, address)
            except TrackingError as error:  # what is here is promoted all the same
                said = f"MLflow could not be told: {error}"
            warn(said)


@verb("diff bike-demand@knee weights.json")
def diff(
    one: Reference, other: Reference, root: Root = DEFAULT_ROOT, as_json: AsJson = False
) -> None:
    """Show what differs between two weight sets; exits 0 also when they differ."""
    with sentences():
        from lossweights.results.difference import differences
        from lossweights.sweep.references import find_set

        found = differences(find_set(one, root), find_set(other, root))
        if as_json:
            echo_json([each._asdict() for each in found])
        elif found:
            from lossweights.cli._tables import print_differences

            print_differences(found, one, other)
        else:
            typer.echo("They say the same.")


@verb("reproduce bike-demand --pick knee")
def reproduce(
    name: SweepName, pick: Pick = None, root: Root = DEFAULT_ROOT, as_json: AsJson = False
) -> None:
    """Train a pick anew, by default the promoted one, and say whether it is the same.

    Exits 1 if it is neither the same nor within the seed noise that confirmation measured.
    """
    with sentences():
        from lossweights.cli._script import launched
        from lossweights.results.folder import read_manifest
        from lossweights.results.promotion import promoted_set
        from lossweights.results.result import SweepResult
        from lossweights.sweep.reproduce import Likeness
        from lossweights.sweep.reproduce import reproduce as train_anew

        manifest = read_manifest(root, name)
        sweep, _ = launched(name, root)
        result = SweepResult.read(name, root)
        found = train_anew(sweep, result, pick or promoted_set(result), manifest)
        if as_json:
            echo_json(found.to_json())
        else:
            typer.echo(found.sentence)
    if found.likeness is Likeness.OTHER:
        raise typer.Exit(NOT_REPRODUCED)
