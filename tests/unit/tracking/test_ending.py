"""How a sweep ended, as the sweep folder keeps it for whoever records it later."""

import json

from lossweights.testing import FakeSweep
from lossweights.tracking import Ending


def test_model_and_files_are_found_where_the_root_is_now(tmp_path):
    """A root may be moved between the end of a sweep and `sync`."""
    folder = tmp_path / "here" / "studies" / "demand"
    folder.mkdir(parents=True)
    files = [folder / "figures", tmp_path / "elsewhere.txt"]
    Ending("FINISHED", "done", files, model=folder / "model", register=True).save(folder)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there" / "studies" / "demand"
    ending = Ending.read(moved)
    assert ending.model == moved / "model"
    assert ending.register
    assert list(ending.artifacts) == [moved / "figures", tmp_path / "elsewhere.txt"]


def test_an_ending_of_an_earlier_version_has_no_model(tmp_path):
    """It is read as it was written."""
    folder = tmp_path / "studies" / "demand"
    folder.mkdir(parents=True)
    Ending("FINISHED", "done").save(folder)
    value = json.loads((folder / "ending.json").read_text())
    for key in ("model", "register"):
        value.pop(key)
    (folder / "ending.json").write_text(json.dumps(value))
    ending = Ending.read(folder)
    assert (ending.status, ending.model, ending.register) == ("FINISHED", None, False)


def test_what_a_run_is_asked_to_register_is_kept_for_sync(root):
    """Should the server be down at the end of the sweep."""
    FakeSweep("asked").run(1, root=root, workers=0, quiet=True, tracking=False, register=True)
    assert Ending.read(root / "studies" / "asked").register
