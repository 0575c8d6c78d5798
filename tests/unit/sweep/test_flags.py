"""The flags of the command line: said once, taken by every command that runs."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lossweights.sweep._options import RunOptions
from lossweights.sweep.flags import Flags, takes_flags

SCRIPT = Path("script.py")
GIVEN = {
    "name": "again",
    "root": Path("elsewhere"),
    "trainer": "fit",
    "workers": 3,
    "executor": "ray",
    "address": "ray://head:10001",
    "resume": True,
    "trial_timeout": 2.5,
    "time_limit": "2h",
    "max_retries": 0,
    "confirm": 3,
    "baselines": "none",
    "quiet": True,
}


def heard_by(arguments, without=()):
    """What a command with the flags hears."""
    app, heard = typer.Typer(), []

    @app.command()
    @takes_flags(without)
    def command(what: str, flags: Flags):
        """Do something."""
        heard.append((what, flags))

    result = CliRunner().invoke(app, arguments)
    return (heard[0] if heard else None), result


@pytest.mark.parametrize("flag", GIVEN)
def test_what_is_said_is_an_option_of_the_run(flag):
    """Each flag has its option, the others stay as they are."""
    usual = Flags().options(5, SCRIPT)
    options = Flags(**{flag: GIVEN[flag]}).options(5, SCRIPT)
    assert getattr(options, flag) == GIVEN[flag] != getattr(usual, flag)
    others = [each.name for each in fields(RunOptions) if each.name != flag]
    assert all(getattr(options, other) == getattr(usual, other) for other in others)


def test_defaults_are_those_of_run():
    """Saying nothing is calling `run()`."""
    assert Flags().options(64, SCRIPT) == RunOptions(script=SCRIPT)


@pytest.mark.parametrize(
    ("flags", "tracking"),
    [
        (Flags(), True),
        (Flags(tracking_uri="http://host"), "http://host"),
        (Flags(tracking_uri="http://host", no_tracking=True), False),
    ],
)
def test_two_flags_say_where_to_record(flags, tracking):
    """To the store below the root, to a server, or nowhere, which beats a server."""
    assert flags.options(1, SCRIPT).tracking == tracking


def test_smoke_keeps_what_was_said_and_leaves_out_what_takes_time():
    """Two trials without more, below the root that it is given; what a person says goes."""
    away = Path("away")
    flags = Flags(smoke=True, trainer="fit", register=True).smoking(away)
    assert flags == Flags(
        trials=2, root=away, trainer="fit", workers=0, baselines="none", confirm=0, no_tracking=True
    )
    said = Flags(smoke=True, trials=8, workers=2, baselines="all", confirm=3)
    assert said.smoking(away) == replace(said, root=away, no_tracking=True, smoke=False)


def test_a_command_hears_its_own_argument_and_all_flags():
    """As if all of them stood in its signature."""
    line = ["bike", "--trials", "8", "--accept-change", "code", "--accept-change", "data"]
    (what, flags), _ = heard_by([*line, "--no-tracking", "--root", "there"])
    assert what == "bike"
    assert flags == Flags(
        trials=8, accept_change=["code", "data"], no_tracking=True, root=Path("there")
    )
    assert flags.options(8, SCRIPT).accept_change == ("code", "data")


def test_a_command_may_leave_flags_out():
    """They are refused there, and have their defaults."""
    (_, flags), _ = heard_by(["bike", "--trials", "8"], without=("name", "resume"))
    assert flags == Flags(trials=8)
    heard, result = heard_by(["bike", "--name", "again"], without=("name", "resume"))
    assert heard is None
    assert result.exit_code == 2


def test_help_names_every_flag():
    """And the sentence of the command itself."""
    _, result = heard_by(["--help"])
    assert "Do something." in result.output
    for each in fields(Flags):
        assert f"--{each.name.replace('_', '-')}" in result.output
