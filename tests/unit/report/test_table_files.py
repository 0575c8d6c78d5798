"""The trials of a sweep as files: all of them for programs, a table for a paper."""

import pandas as pd
import pytest

from lossweights.base.errors import RecipeError
from lossweights.report.table_files import write_table
from lossweights.results.result import SweepResult

from ..results.test_confirmation import numbers
from ..results.test_confirmation import result as confirmed
from ..samples import finished, save_sweep

TRIALS = [
    finished(0, 3.0, 1.0),
    finished(1, 1.0, 3.0),
    finished(2, 1.5, 1.5),
    finished(3, 4.0, 4.0),
]


@pytest.fixture
def result(root):
    """A sweep of four trials, three of them on the front."""
    save_sweep(root, TRIALS)
    return SweepResult.read("demand", root)


def test_to_frame_has_every_trial_with_its_picks(result):
    """All columns of the trials, and which of them is what."""
    frame = result.to_frame()
    assert frame["number"].tolist() == [0, 1, 2, 3]
    assert frame["picks"].tolist() == ["min:shortfall", "min:rmse", "knee", ""]
    assert {*result.trials.columns, "picks"} == {*frame.columns}


def test_to_frame_has_the_baselines_beside_the_trials():
    """A row each, of the kind baseline and without a number."""
    found = confirmed({"knee": numbers(8.0)})
    assert len(found.to_frame()) == len(found.trials)
    assert found.to_frame()["kind"].tolist() == ["trial"] * 3


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pd.read_csv), (".parquet", pd.read_parquet)])
def test_files_for_programs_have_all_of_it(result, tmp_path, suffix, read):
    """Every number is read back to the last bit."""
    frame = read(write_table(result, tmp_path / f"trials{suffix}"))
    wanted = result.to_frame()
    assert list(frame.columns) == list(wanted.columns)
    for column in ("rmse", "shortfall", "weight/under", "decrease/mse"):
        assert frame[column].tolist() == wanted[column].tolist()


def test_markdown_is_the_front_with_picks_bold(result, tmp_path):
    """Before a confirmation; the trial that is dominated is not there."""
    lines = write_table(result, tmp_path / "t.md").read_text().splitlines()
    assert lines[0] == "| trial | pick | weight mse | weight under | rmse | shortfall |"
    assert lines[2] == "| **1** | **min:rmse** | **1** | **0.5** | **1** | **3** |"
    assert len(lines) == 2 + 3


def test_latex_has_what_was_confirmed_with_intervals(tmp_path):
    """Picks are bold, signs that LaTeX reads as its own are escaped."""
    found = confirmed({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)})
    text = write_table(found, tmp_path / "t.tex").read_text()
    lines = text.splitlines()
    assert lines[0] == r"\begin{tabular}{lrr}"
    knee, equal = lines[4], lines[5]
    assert knee.startswith(r"\textbf{knee (trial 1)} & \textbf{8.5")
    assert " to " in knee
    assert equal.startswith("equal weights & ")
    assert lines[-1] == r"\end{tabular}"


@pytest.mark.parametrize("name", ["trials.xlsx", "trials"])
def test_other_endings_are_refused(result, tmp_path, name):
    """The error names those there are."""
    with pytest.raises(RecipeError, match=r"\.json.*\.csv, \.parquet, \.tex, \.md"):
        write_table(result, tmp_path / name)
    assert not (tmp_path / name).exists()
