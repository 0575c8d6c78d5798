"""The way of a sweep: what is refused leaves nothing, what fails on the way is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lossweights.base.errors import (
    NoneComplete,
    RecipeError,
    StoreError,
    SweepExists,
    SweepFailed,
)
from lossweights.results.folder import list_results
from lossweights.sweep._options import RunOptions
from lossweights.sweep._run import run_sweep
from lossweights.sweep.flags import Flags
from lossweights.sweep.launch import run_and_print
from lossweights.sweep.prepared import Prepared
from lossweights.testing import FakeSweep


class Chooses(FakeSweep):
    """A fake sweep whose choice of a trainer fails."""

    def prepare(self, *, rehearse):
        """Prepared, but for the choice."""
        prepared = super().prepare(rehearse=rehearse)

        class Failing(type(prepared)):
            def choose(self, request):
                raise ValueError("no trainer is good enough")

        return Failing(**vars(prepared))


def ending(root):
    """How the sweep says that it ended."""
    return json.loads((root / "studies" / "fake" / "ending.json").read_text())


def run(sweep, root, **options):
    """Run a sweep without MLflow."""
    return sweep.run(4, root=root, tracking=False, quiet=True, workers=0, **options)


def test_what_is_refused_leaves_nothing(root):
    """Not even the root."""
    with pytest.raises(RecipeError):
        run(FakeSweep("fake"), root, trainer="stacked")
    assert not root.exists()


def test_a_name_with_results_is_refused_before_the_data_are_loaded(root):
    """Which may take minutes."""
    run(FakeSweep("fake"), root)

    class Loads(FakeSweep):
        def prepare(self, *, rehearse):
            raise AssertionError("loaded")

    with pytest.raises(SweepExists):
        run(Loads("fake"), root)


def test_a_sweep_that_cannot_be_trained_leaves_nothing(root):
    """So its name is free for the next try."""
    with pytest.raises(ValueError, match="good enough"):
        run(Chooses("fake"), root)
    assert not root.exists()


def test_an_error_on_the_way_is_the_end_of_the_sweep(root):
    """Told as such, and nothing is trained."""
    run(FakeSweep("fake"), root)
    with pytest.raises(ValueError, match="good enough"):
        Chooses("fake").run(
            6, root=root, tracking=False, quiet=True, workers=0, trainer="fake", resume=True
        )
    assert ending(root)["status"] == "FAILED"
    assert "no trainer is good enough" in ending(root)["note"]
    assert len(list_results(root / "studies" / "fake")) == 4


@pytest.mark.parametrize(
    ("broken", "expected", "trials"),
    [("training", SweepFailed, 4), ("training", NoneComplete, 2), ("end", StoreError, 4)],
)
def test_the_way_on_after_a_failure_is_as_the_sweep_was_run(root, broken, expected, trials):
    """And so it is where the name is taken."""

    def during(member, epoch):
        if broken == "training":
            raise ValueError("boom")

    class Ends(FakeSweep):
        def prepare(self, *, rehearse):
            prepared = super().prepare(rehearse=rehearse)

            class Concluding(type(prepared)):
                def conclude(self, *_, **__):
                    raise OSError("no space left")

            return Concluding(**vars(prepared)) if broken == "end" else prepared

    sweep = Ends("fake", during=during)
    options = {"root": root, "workers": 0, "tracking": False, "quiet": True}
    with pytest.raises(expected) as found:
        sweep.run(trials, **options)
    assert type(found.value) is expected
    way = f"lossweights resume fake --root {root} --workers 0 --no-tracking"
    assert way in str(found.value)
    with pytest.raises(SweepExists, match=f"{way} --trials N"):
        sweep.run(trials, **options)


def test_a_sweep_that_ends_says_so(root):
    """With what its conclusion says."""
    result = run(FakeSweep("fake"), root)
    assert len(result.trials) == 4
    assert ending(root)["status"] == "FINISHED"
    assert ending(root)["note"] == "4 trials"


def test_what_the_first_pick_ended_with_is_asked_for(root):
    """Of whoever trained it; in a sweep that is gone on with nobody has it. Each tells once."""
    given = {}

    class Ends(FakeSweep):
        def prepare(self, *, rehearse):
            prepared = super().prepare(rehearse=rehearse)

            class Concluding(type(prepared)):
                def conclude(self, result, root, **more):
                    given.update(more)
                    return super().conclude(result, root, **more)

            return Concluding(**vars(prepared))

    told = []
    options = RunOptions(trials=4, root=root, tracking=False, quiet=True, workers=0)
    result = run_sweep(Ends("fake"), options, told.append)
    weights = result.kept(result.first_pick)[0].result.weights
    assert [array.tolist() for array in given["parameters"]] == [list(weights.values())]
    run_sweep(Ends("fake"), replace(options, resume=True), told.append)
    assert given["parameters"] is None
    assert [len(each.trials) for each in told] == [4, 4]


def test_a_person_reads_what_was_found_and_then_where_it_lies(root, capsys):
    """All of it, once."""
    flags = Flags(trials=4, root=root, no_tracking=True, quiet=True, workers=0)
    run_and_print(FakeSweep("fake"), flags, Path("script.py"))
    said = capsys.readouterr().out
    places = [said.index(part) for part in ("4 trials", "Pareto", "Weight sets", "Look at it")]
    assert places == sorted(places)
    assert said.count("fake: 4 trials") == said.count("Look at it") == 1


def test_a_fingerprint_is_of_all_parts():
    """Workers that find others are refused."""
    one, other = (FakeSweep("fake", data=data).prepare(rehearse=False) for data in "ab")
    again = FakeSweep("fake", data="a").prepare(rehearse=True)
    assert isinstance(one, Prepared)
    assert one.fingerprint == again.fingerprint != other.fingerprint
