"""MLflow opened for a command, with its errors as ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lossweights.base.errors import LossweightsError, SweepNotFound, TrackingError
from lossweights.results.folder import tracking_uri
from lossweights.tracking._address import without_password
from lossweights.tracking._moved import settle_moved
from lossweights.tracking._place import VARIABLE
from lossweights.tracking._settings import mlflow_settings, patient, quiet_loggers

if TYPE_CHECKING:
    from mlflow import MlflowClient


@contextmanager
def opened(root: Path, uri: str | None) -> Iterator[MlflowClient]:
    """A client of MLflow.

    Args:
        root: Folder of the sweeps.
        uri: Address of MLflow; by default that of the environment, or the store below the root.

    Raises:
        SweepNotFound: It is the store below the root, and there is none.
        TrackingError: MLflow, or what is below it, raises anything within.
    """
    address = uri or os.environ.get(VARIABLE) or tracking_uri(root)
    if address == tracking_uri(root):
        if not (root / "mlflow.db").exists():
            raise SweepNotFound(
                f"Expected MLflow's database {root / 'mlflow.db'}. Found none. Give its root, or "
                f"the address of a server: lw.load(..., tracking_uri=...)."
            )
        settle_moved(root)
    with mlflow_settings(), patient(), quiet_loggers():
        from mlflow import MlflowClient

        try:
            yield MlflowClient(tracking_uri=address)
        except LossweightsError:
            raise
        except Exception as error:
            first = f"{type(error).__name__}: {error}".splitlines()[0]
            raise TrackingError(
                f"Expected an answer of MLflow at {without_password(address)}. Found: {first}. "
                f"Check the reference and the address."
            ) from error
