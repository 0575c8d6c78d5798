"""A contest of real trainings: fresh seeds for all, and test data for nobody else."""

import sys
from pathlib import Path

import lossweights as lw
from lossweights.data._split import Split

from .tiny import arguments, load_data

PACKAGE = Path(lw.__file__).parent
OPTIONS = {"trainer": "serial", "workers": 0, "tracking": False, "quiet": True}


# What is done with test data before anything is trained: they are checked, hashed, and tried with a
# model that has learned nothing, so that a mistake in them shows at once.
BEFORE = ("data/", "training/problem.py")
READ = set()  # modules that looked at the watched rows


class Watched(Split):
    """Rows that note which modules look at them."""

    def __getattribute__(self, name):
        """Note who asks."""
        path = Path(sys._getframe(1).f_code.co_filename)
        if name in ("x", "y") and path.is_relative_to(PACKAGE):
            READ.add(path.relative_to(PACKAGE).as_posix())
        return super().__getattribute__(name)


def load_watched():
    """The data of the tiny sweep, the test data watched."""
    data = load_data()
    object.__setattr__(data, "test", Watched(data.test.x, data.test.y, None))
    return data


def run(root, trials, **options):
    """Run or resume the sweep."""
    READ.clear()
    sweep = lw.Sweep(**arguments(load_data=load_watched))
    result = sweep.run(trials, root=root, **OPTIONS, **options)
    return result, {module for module in READ if not module.startswith(BEFORE)}


def test_only_a_confirmation_reads_test_data(root):
    """Trials, picks and the winner never do; and what is confirmed trains from other seeds."""
    result, read = run(root, 4, confirm=0)
    assert read == set()
    assert result.contest.looks == 0
    result, read = run(root, 4, resume=True, confirm=2)
    assert all(module.startswith("training/") for module in read)
    outings = [outing for outing in result.contest.outings if outing.look == 1]
    picks = [each.name for each in result.contest.contestants[1] if each.role == "pick"]
    assert {(o.seed, o.contestant) for o in outings} >= {(s, p) for s in (1, 2) for p in picks}
    knee = {outing.seed: outing.result for outing in outings if outing.contestant == picks[0]}
    assert knee[1].metrics != knee[2].metrics
    number = next(each.trial for each in result.contest.contestants[1] if each.name == picks[0])
    assert knee[1].weights == result.finished[number].result.weights


def test_a_sweep_from_several_seeds_is_confirmed_from_several(root):
    """Each of them begins behind those of the one before, so that none is trained twice."""
    sweep = lw.Sweep(**arguments(seeds=2))
    result = sweep.run(2, root=root, **OPTIONS, confirm=2)
    assert result.contest.seeds[1] == (2, 4)
    seeds = [r.seed for o in result.contest.outings if o.look for r in o.result.replicas]
    assert set(seeds) == {2, 3, 4, 5}
