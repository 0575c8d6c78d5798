"""The sweep folder as a reader finds it: whole, half made, damaged, or somebody else's."""

import json
from dataclasses import replace

import pytest

from lossweights.base.errors import InvalidName, StoreError, SweepExists, SweepNotFound
from lossweights.base.strict_json import dump_json
from lossweights.records import Outcome
from lossweights.results.folder import (
    list_results,
    list_sweeps,
    read_manifest,
    refuse_existing,
    sweep_folder,
    tracking_uri,
    write_results,
)

from ..samples import finished, manifest, save_sweep


def test_results_come_back_by_number(root):
    """What is written is what is listed, whatever the order and however the trial ended."""
    trials = [
        finished(12, outcome=Outcome.DIVERGED, reason="term mse was not finite"),
        finished(0, kind="baseline"),
        finished(10_000, outcome=Outcome.FAILED, reason="boom"),
    ]
    folder = save_sweep(root, trials)
    listed = list_results(folder)
    assert list(listed) == [0, 12, 10_000]
    for trial in trials:
        again = listed[trial.asked.number]
        assert again.asked == trial.asked
        assert again.result.to_json() == trial.result.to_json()


def test_the_node_of_another_machine_is_kept(root):
    """A result of this one says nothing of nodes."""
    folder = save_sweep(root, [finished(0), replace(finished(1), node="far/1a2b3c")])
    assert [each.node for each in list_results(folder).values()] == ["", "far/1a2b3c"]
    assert b"node" not in (folder / "trials" / "0000.json").read_bytes()


def test_a_result_being_written_is_not_listed(root):
    """A reader sees no temporary file of the writer."""
    folder = save_sweep(root, [finished(0)])
    (folder / "trials" / ".0001.json.ab12cd34").write_text('{"number"')
    assert list(list_results(folder)) == [0]


def test_truncated_result_is_named(root):
    """A result cut anywhere is an error that names the file, never a trial with less in it."""
    folder = save_sweep(root, [finished(3)])
    path = folder / "trials" / "0003.json"
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 64):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"0003\.json"):
            list_results(folder)


@pytest.mark.parametrize(
    "change",
    [{"number": "x"}, {"number": None}, {"number": 4}, {"number": -3}, {"parameters": None},
     {"parameters": [1]}, {"parameters": {"under": "x"}}, {"weights": None},
     {"weights": {"mse": 10**400}}, {"outcome": "FINE"}, {"reports": 1}, {"reports": [3]},
     {"seed": "x"}, {"seconds": [1]}],
    ids=repr,
)  # fmt: skip
def test_result_of_a_wrong_kind_is_named(root, change):
    """Valid JSON that is no result of this trial is refused as well, with its file."""
    folder = save_sweep(root, [finished(3)])
    path = folder / "trials" / "0003.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=r"0003\.json.*Move the file away"):
        list_results(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": "other"}', b"{}", b"[" * 100_000,
     dump_json(manifest(version=2)).encode(), dump_json(manifest(version="1")).encode()],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_damaged_manifest_is_named(root, content):
    """A manifest that is none, or of a later version, is a StoreError with its path."""
    folder = save_sweep(root, [])
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"manifest\.json"):
        read_manifest(root, "demand")


def test_unknown_sweep_lists_the_known_ones(root):
    """A misspelt name shows what there is."""
    save_sweep(root, [], name="bike-demand")
    with pytest.raises(SweepNotFound, match="bike-demand") as raised:
        read_manifest(root, "bike-demnd")
    assert isinstance(raised.value, FileNotFoundError)
    with pytest.raises(SweepNotFound, match="none"):
        read_manifest(root / "elsewhere", "bike-demand")


def test_a_folder_without_manifest_is_no_sweep(root):
    """What a killed creation left is neither listed nor in the way."""
    sweep_folder(root, "half").mkdir(parents=True)
    save_sweep(root, [], name="whole")
    assert list_sweeps(root) == ["whole"]
    refuse_existing(root, "half")
    assert list_sweeps(root / "nowhere") == []


def test_existing_sweep_says_the_ways_on_and_changes_nothing(root):
    """A name with results is refused with the number of trials and what can be done."""
    folder = save_sweep(root, [finished(0), finished(1)])
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    with pytest.raises(SweepExists) as raised:
        refuse_existing(root, "demand")
    message = str(raised.value)
    assert "2 finished trials" in message
    assert "lossweights resume demand" in message
    assert "--name" in message
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before


@pytest.mark.parametrize("name", ["../x", "a/b", "", "CON", "x" * 65])
def test_names_cannot_leave_the_root(root, name):
    """Every way to a sweep folder checks the name."""
    for read in (sweep_folder, read_manifest, refuse_existing):
        with pytest.raises(InvalidName):
            read(root, name)


def test_linked_sweep_folder_is_refused(root, tmp_path):
    """A sweep folder that is a link out of the root is not followed."""
    (root / "studies").mkdir(parents=True)
    (root / "studies" / "demand").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="Expected a path inside"):
        read_manifest(root, "demand")


def test_tracking_address_is_absolute(root, monkeypatch):
    """MLflow's address never depends on the folder that a later command runs in."""
    root.mkdir()
    monkeypatch.chdir(root.parent)
    assert tracking_uri(root.relative_to(root.parent)) == f"sqlite:///{root.resolve()}/mlflow.db"


def test_result_that_cannot_be_written_leaves_nothing(root):
    """A trials folder that cannot be made is a StoreError."""
    folder = save_sweep(root, [])
    (folder / "trials").write_text("in the way")
    with pytest.raises(StoreError, match="Cannot write"):
        write_results(folder, [finished(0)])
    assert (folder / "trials").read_text() == "in the way"
