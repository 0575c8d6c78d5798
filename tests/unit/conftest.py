"""What tests of MLflow's record share."""

import shutil

import pytest


@pytest.fixture
def databases_closed(monkeypatch):
    """MLflow keeps its databases open for the process; a test gives its own back."""
    from mlflow.store.db import utils

    made = []
    create = utils.create_sqlalchemy_engine

    def keep(*args, **kwargs):
        made.append(create(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(utils, "create_sqlalchemy_engine", keep)
    yield
    for engine in made:
        engine.dispose()


@pytest.fixture
def root_with_tables(tmp_path, mlflow_tables, databases_closed):
    """A root in which MLflow has its tables."""
    root = tmp_path / "mlruns"
    root.mkdir()
    shutil.copy(mlflow_tables, root)
    return root
