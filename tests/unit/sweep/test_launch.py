"""What a script says when a person stops it."""

from types import SimpleNamespace

import pytest
import typer

from lossweights.sweep import _run
from lossweights.sweep.flags import Flags
from lossweights.sweep.launch import run_and_print


@pytest.fixture
def stopped(monkeypatch):
    """Sweeps that a person stops at once, before anything is in their folder."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "run_sweep", stop)


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("smoke", "said"), [(True, "Nothing of this is kept."), (False, "Nothing had begun.")]
)
def test_a_stopped_run_promises_what_is_there(smoke, said, tmp_path, capsys):
    """A smoke run's folder is gone, so that there is nothing to go on with."""
    with pytest.raises(typer.Exit) as caught:
        run_and_print(
            SimpleNamespace(name="tiny"), Flags(smoke=smoke, root=tmp_path), tmp_path / "tiny.py"
        )
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == f"\nStopped. {said}\n"
