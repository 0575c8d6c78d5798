"""``lossweights report``: the summary is printed, and the page is written once or until the end."""

import pytest
from typer.testing import CliRunner

from lossweights.cli._app import app
from lossweights.results.folder import sweep_folder

from ..samples import finished, save_sweep


@pytest.mark.parametrize("options", [[], ["--follow"]], ids=["once", "follow"])
def test_the_page_is_written_beside_the_sweep(root, options):
    """Of a sweep that does not run, following it ends at once."""
    save_sweep(root, [finished(0), finished(1, 2.0, 0.5)])
    done = CliRunner().invoke(app, ["report", "demand", "--root", str(root), *options])
    assert done.exit_code == 0, done.output
    path = sweep_folder(root, "demand") / "report.html"
    page = path.read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert 'id="follow" data-every' not in page
    assert ("2 trials: report written" in done.output.replace("\n", " ")) == bool(options)


def test_a_sweep_that_is_not_there_is_one_sentence(root):
    """Not a traceback."""
    done = CliRunner().invoke(app, ["report", "nosuch", "--root", str(root), "--follow"])
    assert done.exit_code != 0
    assert "Expected a sweep named 'nosuch'" in done.output
