"""MLflow's autologging, which would record every training of a sweep a second time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def autologging_off() -> Iterator[None]:
    """Keep ``mlflow.autolog()`` from acting meanwhile; afterwards it is on again if it was.

    Where MLflow is not loaded nobody has turned it on, and it is not loaded here.
    """
    module = sys.modules.get("mlflow.utils.autologging_utils")
    if module is None:
        yield
        return
    with module.disable_autologging():
        yield
