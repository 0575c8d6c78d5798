"""F26: names that lead somewhere else."""

import pytest

import lossweights as lw
from lossweights.base.errors import InvalidName, LossweightsError, StoreError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import sweep_folder
from lossweights.results.status import read_status
from lossweights.results.weights import model_path, pick_path, promoted_path
from lossweights.search.space import Space, Uniform
from lossweights.testing import FakeSweep
from lossweights.tracking import sync_sweep

pytestmark = pytest.mark.faults

NAMES = ["../x", "/etc/x", "a\0b", "CON", "a/b", ".", "..", "x" * 600, "a\u202eb", "é", "", "-rf",
         "a\\b", "a b", "nul.txt", "a..b", "x\n"]  # fmt: skip

DOORS = {
    "folder": lambda root, name: sweep_folder(root, name),
    "run": lambda root, name: FakeSweep("good").run(1, name=name, root=root, tracking=False),
    "resume": lambda root, name: FakeSweep("good").run(1, name=name, root=root, resume=True),
    "status": lambda root, name: read_status(root, name),
    "sync": lambda root, name: sync_sweep(root, name),
    "load": lambda root, name: lw.load(f"{name}@knee", root),
    "promoted": lambda root, name: promoted_path(root, name),
    "pick": lambda root, name: pick_path(root, name, "knee"),
    "model": lambda root, name: model_path(root, name),
    "term": lambda root, name: Space([name], {name: Uniform(0, 1)}),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_f26_names_are_names_at_every_door(root, door, name):
    """Refused before anything is read or made."""
    with pytest.raises(InvalidName):
        DOORS[door](root, name)
    assert not root.exists()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_f26_weight_sets_have_terms_with_names(name):
    """A weight set names terms, and those are names too."""
    with pytest.raises(LossweightsError):
        WeightSet({name: 1.0}, name="set")


def test_f26_a_sweep_folder_that_leads_out_is_refused(root, tmp_path):
    """A link in the place of a folder is not followed out of the root."""
    (root / "studies").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (root / "studies" / "good").symlink_to(tmp_path / "elsewhere")
    for door in ("folder", "status"):
        with pytest.raises(StoreError, match="a path inside"):
            DOORS[door](root, "good")
    with pytest.raises(StoreError, match="a path inside"):
        FakeSweep("good").run(1, root=root, tracking=False, quiet=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []
