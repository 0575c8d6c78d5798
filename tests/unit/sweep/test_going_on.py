"""The command that goes on with a sweep says again what was said of the run, and nothing else."""

import logging
import shlex
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from lossweights.base.signals import Signals
from lossweights.cli import _app, _script
from lossweights.driver import Policy
from lossweights.search.stagnation import Stagnation
from lossweights.store import Store
from lossweights.sweep import _where
from lossweights.sweep._contest import ContestStep
from lossweights.sweep._going_on import going_on
from lossweights.sweep._options import RunOptions
from lossweights.sweep._telemetry import Telemetry

from ..contests import raced_sweep

CLUSTER = {"executor": "ray", "address": "auto", "workers": 8}
ON_CLUSTER = "--workers 8 --executor ray --address auto --no-tracking"
ALL = {**CLUSTER, "trainer": "stacked", "trial_timeout": 60.0, "memory": 1 << 30, "max_retries": 3,
       "register": True, "patience": 9, "min_growth": 0.02}  # fmt: skip


def said(root, **options):
    """The options of a run that is not recorded."""
    return RunOptions(**{"root": root, "tracking": False, **options})


@pytest.mark.parametrize("verb", ["resume", "confirm"])
def test_the_command_line_takes_all_of_it(root, verb, monkeypatch):
    """And hears what was said: the options are the same."""
    heard = []
    monkeypatch.setattr(_app, "run_and_print", lambda sweep, flags, *_, **__: heard.append(flags))
    monkeypatch.setattr(_app, "_begun_early", lambda flags: nullcontext())
    monkeypatch.setattr(_where, "refuse_without_ray", lambda: None)  # it need not be installed
    monkeypatch.setattr(_script, "launched", lambda name, root: (None, root))
    options = said(root.resolve(), **ALL)
    words = shlex.split(going_on(verb, "fake", options))
    _app.app(words[1:], standalone_mode=False)
    (flags,) = heard
    found = flags.options(options.trials, None).check(["stacked"])
    for each in ("root", "tracking", *CLUSTER, "trial_timeout", "memory", "max_retries"):
        assert getattr(found, each) == getattr(options, each)
    assert (found.patience, found.register) == (9 if verb == "resume" else None, True)


def test_what_nobody_said_is_not_in_it(root):
    """Also once the options are checked."""
    for options in (RunOptions(root=root), RunOptions(root=root, executor="inline")):
        words = going_on("resume", "fake", options.check(["auto"]))
        assert words.partition(f"--root {root}")[2].strip() in ("", "--executor inline")


@pytest.fixture
def telemetry(root):
    """Makes what tells of a sweep in a root, run with some options."""

    def make(**options):
        store = SimpleNamespace(
            name="fake",
            root=root,
            folder=root,
            objectives={"miss": "minimize"},
            finished=lambda: 3,
            manifest={},
        )
        return Telemetry(store, said(root, quiet=True, **options))

    return make


@pytest.mark.parametrize("early", ["out_of_time", "contest_out_of_time", "stagnated"])
def test_a_sweep_that_ends_early_goes_on_where_it_was(telemetry, root, early, caplog):
    """Whatever ended it; and not with the patience that would end it again at once."""
    stagnation = [Stagnation({"miss": "minimize"}, 9, 0.01)] if early == "stagnated" else []
    patience = "" if stagnation else " --patience 9"
    with caplog.at_level(logging.WARNING):
        getattr(telemetry(**CLUSTER, patience=9), early)(*stagnation)
        getattr(telemetry(), early)(*stagnation)
    there, here = (message.partition("Go on with: ")[2] for message in caplog.messages)
    assert there.endswith(f"lossweights resume fake --root {root} {ON_CLUSTER}{patience}")
    assert here.endswith(f"lossweights resume fake --root {root} --no-tracking")


def test_a_confirmation_is_advised_where_the_sweep_was(telemetry, root, capsys):
    """It is said where it takes long."""
    sweep = raced_sweep(confirm=None)
    sweep.run(12, root=root, workers=0, tracking=False, quiet=True)
    capsys.readouterr()
    for options, words in ((CLUSTER, ON_CLUSTER), ({}, "--no-tracking")):
        with Store.reopen(root, "fake", sweep.space, sweep.sampler) as store:
            step = ContestStep(sweep, store, said(root, **options), telemetry())
            step.run(SimpleNamespace(capacity=1, slots=1), Signals(), Policy(), None)
        advice = capsys.readouterr().err.rpartition("To do so: ")[2].strip()
        assert advice.endswith(f"lossweights confirm fake --root {root} {words}")
