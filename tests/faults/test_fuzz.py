"""Any bytes in the files of a sweep: the named error or what was written, never half of it."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lossweights.base.errors import StoreError, SweepChanged
from lossweights.results.contest import (
    Contestant,
    Outing,
    begin_lines,
    outing_line,
    read_contest,
)
from lossweights.results.folder import list_results, read_manifest, write_results
from lossweights.results.result import SweepResult
from lossweights.results.status import read_status
from lossweights.results.winner import read_winner
from lossweights.store import ContestJournal
from lossweights.store._spool import Spool
from lossweights.store.manifest import check_same
from lossweights.tracking import Ending

from .helpers import finished

pytestmark = pytest.mark.faults

MANIFEST = {
    "format": "lossweights/sweep",
    "version": 1,
    "name": "fake",
    "created": "2026-01-01T00:00:00.000+00:00",
    "objectives": {"miss": "minimize"},
    "scales": None,
    "terms": {"a": None, "b": None},
    "script": None,
    "tracking": None,
    "shown": {"epochs": "3"},
    "trials": 64,
    "seed": 0,
    "baselines": [{"b": 1.5}],
    "contest": {"today": {"weights": {"a": 1.0, "b": 1.5}, "parameters": {"b": 1.5}}},
    "space": {"a": {"kind": "Fixed", "value": 1.0}},
    "accepted": [{"field": "code.during", "was": "x", "is": "y"}],
}
STATUS = {
    "driver": 1,
    "wanted": 3,
    "done": 1,
    "before": 0,
    "outcomes": {"COMPLETE": 1},
    "seconds": 1.0,
    "workers": [{"pid": 3, "trials": [1]}],
    "tracking": {"waiting": 0, "offline_since": None, "error": None},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@st.composite
def damages(draw):
    """A way to damage bytes: cut, change, insert, or replace them altogether."""
    kind = draw(st.sampled_from(["cut", "flip", "insert", "replace"]))
    where, data = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=8))

    def damage(whole):
        at = int(where * len(whole))
        if kind == "cut":
            return whole[:at]
        if kind == "flip":
            return whole[:at] + data[:1] + whole[at + 1 :]
        if kind == "insert":
            return whole[:at] + data + whole[at:]
        return data

    return damage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep folder whose files may be damaged."""
    folder = tmp_path_factory.mktemp("fuzz") / "studies" / "fake"
    (folder / "trials").mkdir(parents=True)
    return folder


def attempt(read, *arguments):
    """What reading gave, and what the named error said."""
    try:
        return read(*arguments), ""
    except StoreError as error:
        return None, str(error)


fuzz = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(damages())
@fuzz
def test_fuzz_result_files(folder, damage):
    """A result that loads is of that trial, with numbers where numbers are."""
    write_results(folder, [finished(3)])
    path = folder / "trials" / "0003.json"
    path.write_bytes(damage(path.read_bytes()))
    results, said = attempt(list_results, folder)
    if results is None:
        assert "0003.json" in said
        return
    assert list(results) == [3]
    assert all(isinstance(weight, float) for weight in results[3].result.weights.values())
    assert results[3].result.to_json()


@given(st.sampled_from(sorted({**finished(3).result.to_json(), "number": 0, "parameters": 0})),
       json_values)  # fmt: skip
@fuzz
def test_fuzz_fields_of_results(folder, field, value):
    """Valid JSON with something else in a field: the same."""
    write_results(folder, [finished(3)])
    path = folder / "trials" / "0003.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    results, said = attempt(list_results, folder)
    assert "0003.json" in said if results is None else list(results) == [3]


@given(damages())
@fuzz
def test_fuzz_manifest(folder, damage):
    """A manifest that loads is one of ours."""
    (folder / "manifest.json").write_bytes(damage(json.dumps(MANIFEST).encode()))
    manifest, said = attempt(read_manifest, folder.parent.parent, "fake")
    if manifest is None:
        assert "manifest.json" in said
    else:
        assert (manifest["format"], manifest["version"]) == ("lossweights/sweep", 1)


@given(st.sampled_from(sorted(MANIFEST)), json_values)
@fuzz
def test_fuzz_fields_of_the_manifest(folder, field, value):
    """Valid JSON with something else in a field: named, or all that is read of it makes sense."""
    plain(folder)
    write_results(folder, [finished(3)])
    root = folder.parent.parent
    (folder / "manifest.json").write_text(json.dumps({**MANIFEST, field: value}))
    manifest, said = attempt(read_manifest, root, "fake")
    if manifest is None:
        assert "manifest.json" in said
        return
    result = SweepResult.read("fake", root)
    assert result.verdict
    assert len(result.trials) == 1
    assert read_status(root, "fake").describe()
    with suppress(SweepChanged):
        check_same(manifest, MANIFEST)


@given(damages())
@fuzz
def test_fuzz_spool(tmp_path_factory, damage):
    """Reports before the damage come back in order, each with its time."""
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    for report in finished(3).result.reports:
        spool.add(3, report, 1000 + report.epoch)
    path = folder / "spool" / "0003.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    reports, times = spool.read(3)
    assert len(reports) == len(times)
    epochs = [report.epoch for report in reports]
    assert epochs == sorted(set(epochs))


def plain(folder):
    """The sweep folder with a manifest and nothing else."""
    for path in (*folder.glob("*.json"), *(folder / "trials").glob("*")):
        path.unlink()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))


@given(damages())
@fuzz
def test_fuzz_journal_of_a_contest(folder, damage):
    """It is read, or named; and whoever goes on with it mends it, and keeps what it was."""
    plain(folder)
    knee = Contestant("knee", "pick", {"a": 1.0, "b": 0.5}, trial=3)
    outing = Outing("knee", 1, 1, finished(3).result)
    whole = [*begin_lines(1, [knee], [1, 2], 0), outing_line(outing)]
    path = folder / "contest.jsonl"
    path.write_bytes(damage(b"".join(whole)))
    found, said = attempt(read_contest, folder)
    assert found is not None or path.name in said
    kept = ContestJournal(folder).contest
    assert read_contest(folder) == kept
    assert found is None or found == kept
    for each in folder.glob("contest.jsonl*"):
        each.unlink()


@given(damages(), st.sampled_from(["status.json", "ending.json", "winner.json"]))
@fuzz
def test_fuzz_small_files(folder, damage, name):
    """What is read for people: the status never fails for its own file, the others by name."""
    plain(folder)
    Ending("FINISHED", "a note", metrics={"best/miss": 1.0}).save(folder)
    contents = {
        "status.json": json.dumps(STATUS).encode(),
        "ending.json": (folder / "ending.json").read_bytes(),
        "winner.json": b'{"trial": 1, "val": {"rmse": 1.0}}',
    }
    (folder / name).write_bytes(damage(contents[name]))
    assert read_status(folder.parent.parent, "fake").describe()
    for read in (Ending.read, read_winner):
        found, said = attempt(read, folder)
        assert found is not None or name in said


@given(st.sampled_from(sorted(STATUS)), json_values)
@fuzz
def test_fuzz_fields_of_the_status(folder, field, value):
    """Whatever the status file says, the status can be told."""
    plain(folder)
    (folder / "status.json").write_text(json.dumps({**STATUS, field: value}))
    assert read_status(folder.parent.parent, "fake").describe().startswith("fake: not running")
