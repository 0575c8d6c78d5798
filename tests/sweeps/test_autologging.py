"""A user's ``mlflow.autolog()`` records no training of a sweep, and is on again afterwards."""

import mlflow
from mlflow.utils.autologging_utils import autologging_is_disabled

from lossweights.results.folder import tracking_uri

from .tiny import sweep


def test_autologging_is_off_meanwhile(tmp_path):
    """No stray run in the user's store, no model; what trains afterwards is recorded again."""
    own = f"sqlite:///{tmp_path / 'own.db'}"
    mlflow.set_tracking_uri(own)
    mlflow.keras.autolog(log_models=False, silent=True)
    try:
        root = tmp_path / "mlruns"  # said, since the user's store would count otherwise
        sweep.run(trials=2, root=root, tracking=tracking_uri(root), trainer="fit", quiet=True)
        assert mlflow.search_runs(search_all_experiments=True).empty
        assert not autologging_is_disabled("keras")
    finally:
        mlflow.keras.autolog(disable=True)
        mlflow.set_tracking_uri(None)
