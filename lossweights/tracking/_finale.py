"""What the parent run gets at the end of a sweep: note, numbers, files, and the winner's model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.shown import as_text
from lossweights.foreign.mlflow_names import artifact_repository
from lossweights.results.promotion import set_by_hand
from lossweights.tracking._ending import Ending
from lossweights.tracking._models import Models
from lossweights.tracking._points import loggable
from lossweights.tracking._promoted import log_set, metrics_of, tags_of
from lossweights.tracking._settings import patient

if TYPE_CHECKING:
    from mlflow import MlflowClient


def end_parent(models: Models, ending: Ending) -> None:
    """End the parent run of a sweep; again does no harm.

    Args:
        models: The models of the sweep.
        ending: How it ended.
    """
    client, run = models.client, models.run
    by_hand = set_by_hand(models.root, models.sweep)  # or the ending says what is promoted
    tags = {**ending.tags, **(tags_of(by_hand) if by_hand else {})}
    for key, value in {**tags, "mlflow.note.content": as_text(ending.note)}.items():
        client.set_tag(run, key, value)
    metrics = {**ending.metrics, **(metrics_of(by_hand) if by_hand else {})}
    for key, number in metrics.items():
        if loggable(number):
            client.log_metric(run, key, number)
    try:
        with patient():
            store = store_of(client, models.uri, run)
            _log_files(store, ending.artifacts)
            if by_hand is not None:
                log_set(store, by_hand)
            if ending.model is not None and ending.model.exists():
                models.log(ending.model, register=ending.register)
    finally:  # a server that takes no files is to have no run that seems to go on for ever
        client.set_terminated(run, ending.status)


def store_of(client: MlflowClient, uri: str, run: str) -> Any:
    """Where the artifacts of a run are now.

    Not asked of the client, which remembers where they were: they may have moved.
    """
    return artifact_repository(client.get_run(run).info.artifact_uri, uri)


def _log_files(store: Any, paths: Sequence[Path]) -> None:
    """Log artifacts of a run; a folder under its own name."""
    for path in paths:
        if path.is_dir():
            store.log_artifacts(str(path), path.name)
        elif path.exists():  # or removed since, by somebody who did not want it
            store.log_artifact(str(path))
