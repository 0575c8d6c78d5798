"""The installed command, each time in a process of its own, as a person or a program runs it."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import typer

import lossweights as lw
from lossweights.cli import app
from lossweights.report.links import remember_port, ui_port
from lossweights.results.folder import sweep_folder
from lossweights.results.result import SweepResult

from ..samples import finished, save_sweep

PACKAGE = Path(lw.__file__).parent
DOCS = PACKAGE.parent / "docs" / "command_line.md"
VERBS = sorted(typer.main.get_command(app).commands)
COMMAND = [sys.executable, "-c", "from lossweights.cli import app; app(prog_name='lossweights')"]


@pytest.fixture
def swept(root):
    """A root with a sweep of three trials."""
    save_sweep(root, [finished(0, 3.0, 1.0), finished(1, 1.0, 3.0), finished(2, 1.5, 1.5)])
    SweepResult.read("demand", root).save_picks(root)
    return root


def environment(**changes):
    """The environment of a command: these sources, and no word on the terminal but what is said."""
    said = {"PYTHONPATH": str(PACKAGE.parent), **changes}
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    return {**kept, **said}


def call(*words, cwd=None, code=0, **changes):
    """What a command prints into pipes."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, env=environment(**changes), cwd=cwd
    )
    assert done.returncode == code, done.stderr.decode(errors="replace")
    return done.stdout.decode("ascii"), done.stderr.decode()


def shown(*words, columns=40, command=COMMAND, **changes):
    """What a command shows on a terminal of so many columns, bold and colours left out."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*command, *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm", **changes),
    )
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 1 << 16):
            said += part
    except OSError:  # it has ended
        pass
    finally:
        os.close(ours)
        process.wait(60)
    assert process.returncode == 0, said
    text = said.decode().replace("\r\n", "\n")
    if "NO_COLOR" in changes:
        assert not re.search(r"\x1b\[(\d+;)*[349]\d", text)
    return re.sub(r"\x1b\[[\d;]*m", "", text)


# One process says it all: each takes a second to start.
HELP_OF_ALL = f"""
from lossweights.cli import app
for verb in {VERBS!r}:
    app([verb, "--help"], prog_name="lossweights", standalone_mode=False)
    print("\\0", end="")
"""


@pytest.fixture(scope="module")
def helps():
    """The help of every verb, in a plain locale and 40 columns."""
    out = shown(command=[sys.executable, "-c", HELP_OF_ALL], LC_ALL="C", NO_COLOR="1")
    *said, _ = out.split("\0")
    return dict(zip(VERBS, said, strict=True))


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_an_example(helps, verb):
    """Also in a plain locale and 40 columns: it names the verb, and nothing is wider."""
    out = helps[verb]
    assert f"Example: lossweights {verb}" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 40


def test_best_is_a_table_and_the_line_to_paste(swept):
    """The table has a row for each term; the line is one line, on a narrow terminal too."""
    line = (
        f"model.compile(optimizer, loss=lw.load('demand@knee', root={str(swept)!r})"
        ".loss(terms={'under': ...}))"
    )
    out = shown("best", "demand", "--root", swept, columns=200)
    assert line in out.splitlines()
    assert line in shown("best", "demand", "--root", swept).splitlines()
    assert re.search(r"under\W+0\.5\W", out)


def test_a_pick_that_was_not_saved_is_picked_once_more(swept):
    """Its line asks the sweep again, since no file has it."""
    pick = "min:rmse where shortfall<=2"
    out = shown("best", "demand", "--root", swept, "--pick", pick)
    assert f"lw.SweepResult.read('demand', root={str(swept)!r}).best({pick!r})" in out


def test_best_for_programs_is_a_weight_set_file(swept):
    """The same bytes as an export."""
    out, _ = call("best", "demand", "--root", swept, "--json")
    assert lw.WeightSet.parse(out.encode()) == SweepResult.read("demand", swept).best()


def documented(command):
    """The keys that the documentation names for the output of a command."""
    part = DOCS.read_text(encoding="utf-8").partition(f"`lossweights {command} --json`")[2]
    table = part.partition("|---|---|")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.strip().splitlines()]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("command", ["list", "status"])
def test_lists_for_programs_are_as_documented(swept, command):
    """An array with an object for each sweep, with the keys that the documentation names."""
    (entry,) = json.loads(call(command, "--root", swept, "--json", LC_ALL="C")[0])
    assert set(entry) == documented(command)
    assert entry["name"] == "demand"


def test_report_for_programs_is_as_documented(swept):
    """Numbers are those of the study, the page is there, and nothing else is printed."""
    out, err = call("report", "demand", "--root", swept, "--json", LC_ALL="C")
    said, result = json.loads(out), SweepResult.read("demand", swept)
    assert set(said) == documented("report")
    assert err == ""
    assert [row["trial"] for row in said["front"]] == result.pareto["number"].tolist()
    for row in said["front"]:
        trial = result.finished[row["trial"]].result
        assert row["objectives"] == {name: trial.metrics[name] for name in result.objectives}
        assert row["weight"] == trial.weights
    assert said["picks"]["min:rmse"] == 1
    assert "</html>" in Path(said["report"]).read_text(encoding="utf-8")


def test_summary_on_a_narrow_terminal(swept):
    """Prose wraps between words, the table becomes a list, paths and links stay whole."""
    page = str(sweep_folder(swept, "demand") / "report.html")
    out = shown("report", "demand", "--root", swept, NO_COLOR="1")
    lines = out.splitlines()
    assert any(line.endswith(page) for line in lines)
    assert any(line.endswith(f"lossweights ui --root {swept}") for line in lines)
    wide = [line for line in lines if len(line) > 40]
    assert all(str(swept) in line for line in wide), wide
    assert "trial 1: weight mse 1, weight under" in out


def test_summary_in_a_pipe_is_not_wrapped(swept):
    """A sentence is a line there, and a terminal of ASCII alone gets escapes, not an error."""
    out, _ = call("report", "demand", "--root", swept, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert f"Verdict: {SweepResult.read('demand', swept).verdict}" in out.splitlines()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["best", ""], ["demand"]),
        (["report", "dem"], ["demand"]),
        (["status", "x"], []),
        (["best", "demand", "--pick", "min"], ["min:rmse", "min:shortfall"]),
        (["best", "nope", "--pick", ""], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_the_shell_completes_sweeps_and_picks(swept, words, found):
    """As bash asks for it, in the root that is taken anyway; what cannot be found is nothing."""
    out, err = call(
        cwd=swept.parent,
        COMP_WORDS=" ".join(["lossweights", *words]),
        COMP_CWORD=str(len(words)),
        _LOSSWEIGHTS_COMPLETE="complete_bash",
    )
    assert out.split() == found
    assert err == ""


def test_links_have_the_port_of_the_ui(root):
    """It is remembered by root; what is no port there is not believed."""
    root.mkdir()
    assert ui_port(root) == 5000
    remember_port(root, 5077)
    assert ui_port(root) == 5077
    (root / ".ui-port").write_text("no port")
    assert ui_port(root) == 5000
