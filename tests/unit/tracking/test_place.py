"""Where a sweep is recorded: what was said here, what the environment says, and what is known."""

import pytest

from lossweights.base.errors import RecipeError
from lossweights.results.folder import tracking_uri
from lossweights.tracking import place_of_new, place_of_resumed, with_password

SERVER = "http://host:5000"
FILE_STORES = ["mlruns", "./mlruns", "/srv/mlruns", "file:///srv/mlruns", "file:mlruns"]


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    """No address in the environment, and a working folder of its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


def test_i12_14_without_a_word_it_is_below_the_root(tmp_path):
    """As ever; an empty variable is no word."""
    place = place_of_new(True, tmp_path / "mlruns")
    assert (place.tracking, place.sentence) == (True, "Recording in MLflow at mlruns/mlflow.db.")


def test_i12_14_an_empty_variable_is_none(monkeypatch, root):
    """As MLflow reads it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert place_of_new(True, root).tracking is True


@pytest.mark.parametrize(
    "uri",
    [
        *(SERVER, "https://me:secret@host/mlflow", "sqlite:////srv/mlflow.db", "databricks"),
        *("postgresql://me:secret@host/db", "databricks://profile"),
    ],
)
def test_i12_14_the_users_own_address_is_used(monkeypatch, root, uri):
    """And said, without the password in it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    place = place_of_new(True, root)
    assert place.tracking == uri
    assert place.sentence.endswith("as MLFLOW_TRACKING_URI says.")
    assert "secret" not in place.sentence


@pytest.mark.parametrize("uri", FILE_STORES)
def test_i12_14_a_file_store_is_not_used_and_that_is_said(monkeypatch, root, uri):
    """MLflow 3 does not write one: the sweep records below the root, and says why."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    place = place_of_new(True, root)
    assert place.tracking is True
    assert "mlflow.db. MLFLOW_TRACKING_URI is not used" in place.sentence
    assert uri in place.sentence


@pytest.mark.parametrize("resumed", [False, True])
def test_i12_14_what_is_said_here_counts_more(monkeypatch, root, resumed):
    """An address or no tracking at all: the environment is not asked."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")

    def place(tracking):
        if resumed:
            return place_of_resumed(tracking, root, "http://before")
        return place_of_new(tracking, root)

    assert place(SERVER).tracking == SERVER
    assert place(SERVER).sentence == f"Recording in MLflow at {SERVER}."
    assert place(False).tracking is False
    assert place(False).sentence == "Not recording in MLflow."
    assert place(tracking_uri(root)).tracking is True  # its own store, by its whole name
    for uri in FILE_STORES:
        with pytest.raises(RecipeError, match="file store"):
            place(uri)


@pytest.mark.parametrize("recorded", [None, SERVER])
def test_i12_14_a_sweep_that_goes_on_stays_where_it_is(monkeypatch, root, recorded):
    """Half here and half there would be no record; that the variable does not count is said."""
    wanted = True if recorded is None else recorded
    assert place_of_resumed(True, root, recorded).tracking == wanted
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    place = place_of_resumed(True, root, recorded)
    assert place.tracking == wanted
    assert "MLFLOW_TRACKING_URI counts for new sweeps" in place.sentence


def test_i12_14_the_environment_has_the_password_of_a_known_place(monkeypatch, root):
    """The manifest never has it; an address of another place gives none away."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000")
    place = place_of_resumed(True, root, SERVER)
    assert place.tracking == "http://me:secret@host:5000"
    assert place.sentence == f"Recording in MLflow at {SERVER}."
    assert with_password("http://elsewhere") == "http://elsewhere"
    assert with_password(None) is None
