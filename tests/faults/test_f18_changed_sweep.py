"""F18 and F19: a sweep is resumed that is not the one that was started."""

import json
from importlib import metadata

import pytest

from lossweights.base.errors import SweepChanged
from lossweights.results.folder import read_manifest
from lossweights.store.manifest import check_same

pytestmark = pytest.mark.faults

BODY = """
from lossweights.search.space import Fixed, LogUniform, Uniform

LIMIT = 7.0

def helper(member):
    return member.weights["b"] > LIMIT  # a comment

def during(member, epoch):
    helper(member)

sweep = FakeSweep(
    "fake",
    during=during,
    space={"a": 1.0, "b": LogUniform(0.01, 100.0)},
    objectives={"miss": "minimize", "cost": "minimize"},
    epochs=3,
    seed=0,
    data="2011",
)
"""

SPACE = 'space={"a": 1.0, "b": LogUniform(0.01, 100.0)}'
CHANGES = {
    "range": (SPACE, 'space={"a": 1.0, "b": LogUniform(0.01, 10.0)}', "space.b.high"),
    "log": (SPACE, 'space={"a": 1.0, "b": Uniform(0.01, 100.0)}', "space.b.kind"),
    "fixed": (SPACE, 'space={"a": LogUniform(0.1, 1.0), "b": 1.0}', "space.a.kind"),
    "other term": (SPACE, 'space={"a": LogUniform(0.01, 100.0), "b": 1.0}', "space"),
    "direction": ('"cost": "minimize"', '"cost": "maximize"', "objectives.cost"),
    "objective": (', "cost": "minimize"', "", "objectives.cost"),
    "epochs": ("epochs=3", "epochs=4", "recipe.epochs"),
    "seed": ("seed=0", "seed=1", "seed"),
    "data": ('data="2011"', 'data="2012"', "data"),
    "code": ("    helper(member)", "    bool(helper(member))", "code.during"),
    "code it calls": ('member.weights["b"] > LIMIT', 'member.weights["b"] < LIMIT', "code.during"),
    "constant": ("LIMIT = 7.0", "LIMIT = 8.0", "code.during"),
    "baselines": ("seed=0", 'seed=0, baselines=[{"b": 1.0}]', "baselines"),
    "what is raced": ("seed=0", 'seed=0, raced="uncertainty"', "contest.uncertainty"),
}


@pytest.fixture
def started(scripted):
    """A sweep of three trials."""
    script = scripted(BODY)
    script.run(3, workers=0)
    return script


@pytest.mark.parametrize("what", CHANGES)
def test_f18_a_change_stops_the_resume_with_a_diff(started, what):
    """Field by field, old value and new, and nothing is changed on the disk."""
    old, new, field = CHANGES[what]
    started.edit(old, new)
    before = {p: p.read_bytes() for p in started.sweep_folder.rglob("*.json")}
    with pytest.raises(SweepChanged, match=rf"(?m)^  {field}\S*: was .*, is now ") as raised:
        started.run(4, workers=0, resume=True)
    assert "--name" in str(raised.value)
    assert {p: p.read_bytes() for p in started.sweep_folder.rglob("*.json")} == before


@pytest.mark.parametrize(
    ("old", "new"),
    [("  # a comment", "  # another"), ("> LIMIT", "  >  LIMIT"), ("\n\n", "\n\n\n")],
)
def test_f19_comments_and_layout_are_no_change(started, old, new):
    """What cannot change a number stops nobody."""
    started.edit(old, new)
    started.run(4, workers=0, resume=True)
    assert started.outcomes() == {"COMPLETE": 4}


def test_f19_from_the_command_line(started):
    """Exit 2 with the diff and the flag to add; with the flag it goes on."""
    started.edit("LIMIT = 7.0", "LIMIT = 8.0")
    refused = started.call("--resume", trials=4, workers=0)
    assert refused.returncode == 2
    assert "code.during: was" in refused.stderr
    assert "--accept-change code" in refused.stderr
    done = started.call("--resume", "--accept-change", "code", trials=4, workers=0)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["epochs", "seed", "data", "code", "constant", "baselines"])
def test_f19_an_accepted_change_is_recorded(started, what):
    """In the manifest: what, from what to what, when, and after how many trials; once."""
    old, new, field = CHANGES[what]
    started.edit(old, new)
    started.run(4, workers=0, resume=True, accept_change=[field.split(".")[0]])
    (change,) = read_manifest(started.root, "fake")["accepted"]
    assert change["field"] == field
    assert change["was"] != change["is"]
    assert change["trials"] == 3
    started.run(5, workers=0, resume=True)  # it is no change any more
    assert started.outcomes() == {"COMPLETE": 5}


def test_f19_an_accepted_change_is_a_tag_in_mlflow(tracked):
    """Who looks at the record sees it."""
    import sqlite3
    from contextlib import closing

    script = tracked(BODY)
    script.run(2, workers=0, tracking=True)
    script.edit("LIMIT = 7.0", "LIMIT = 8.0")
    script.run(3, workers=0, tracking=True, resume=True, accept_change=["code"])
    with closing(sqlite3.connect(script.root / "mlflow.db")) as database:
        tags = database.execute("SELECT value FROM tags WHERE key LIKE '%accepted_changes'")
        assert tags.fetchall() == [("code.during",)]


@pytest.mark.parametrize("what", ["range", "log", "fixed", "direction", "objective"])
def test_f18_space_and_objectives_are_firm(started, what):
    """The study on disk is of one space and one aim: no flag goes on with another."""
    old, new, field = CHANGES[what]
    started.edit(old, new)
    with pytest.raises(SweepChanged) as raised:
        started.run(4, workers=0, resume=True, accept_change=[field.split(".")[0]])
    assert "--accept-change" not in str(raised.value)


def test_f19_another_major_version_stops_the_resume(started, monkeypatch):
    """Results may change between major versions, and not within one."""
    version = metadata.version

    def other(package):
        found = version(package)
        return {"keras": "99.0.0", "numpy": found + ".post1"}.get(package, found)

    monkeypatch.setattr(metadata, "version", other)
    with pytest.raises(SweepChanged, match=r"versions\.keras: was '3', is now '99'") as raised:
        started.run(4, workers=0, resume=True)
    assert "numpy" not in str(raised.value)


def test_f19_a_script_edited_while_the_sweep_runs_is_noticed(scripted):
    """A worker that starts anew loads what the driver loaded, or the sweep stops."""
    script = scripted(
        """
def during(member, epoch):
    if epoch == 1 and once("killed"):
        text = Path(__file__).read_text()
        Path(__file__).write_text(text.replace("epochs=3", "epochs=4"))
        os.kill(os.getpid(), 9)

sweep = FakeSweep("fake", during=during, epochs=3)
"""
    )
    with pytest.raises(SweepChanged, match="edited while the sweep ran"):
        script.run(5, workers=1)


@pytest.mark.parametrize(
    ("terms", "field"),
    [(("a", "c"), "terms.b"), (("a", "b", "c"), "terms.c"), (("a",), "space.b")],
    ids=["renamed", "added", "removed"],
)
def test_f18_the_terms_are_those_of_the_start(started, terms, field):
    """A term that was renamed, added or taken away is named, and no flag goes on with it."""
    manifest = json.loads((started.sweep_folder / "manifest.json").read_text())
    kind = manifest["space"]["b"]
    changed = {
        **manifest,
        "terms": dict.fromkeys(terms),
        "space": {name: manifest["space"].get(name, kind) for name in terms},
    }
    with pytest.raises(SweepChanged, match=rf"(?m)^  {field}"):
        check_same(manifest, changed)
    with pytest.raises(SweepChanged, match=r"(?m)^  space\."):
        check_same(manifest, changed, accept=["terms", "space"])


def test_f18_every_field_of_the_manifest_is_compared(started):
    """A field that is added later is compared too, unless somebody says that it is free."""
    manifest = json.loads((started.sweep_folder / "manifest.json").read_text())
    free = {"script", "created", "shown", "trials", "tracking", "accepted", "baseline", "choice"}
    free |= {"root", "raced", "made", "confirm"}
    for field in set(manifest) - free - {"versions"}:
        with pytest.raises(SweepChanged, match=field):
            check_same(manifest, {**manifest, field: "other"})
    for field in free:
        assert check_same(manifest, {**manifest, field: "other"}) == []
