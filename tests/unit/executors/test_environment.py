"""What a worker finds in its environment of the graphics cards of the machine."""

import os

import pytest

from lossweights.base.graphics import GROWTH, VISIBLE
from lossweights.executors import shared_gpus
from lossweights.executors._environment import gpu_of, read_on_import, worker_environment


def test_each_worker_sees_one_of_several_cards(monkeypatch):
    """Those that this process sees, in turns."""
    monkeypatch.setenv(VISIBLE, "2,5")
    assert [gpu_of(number) for number in (1, 2, 3)] == ["2", "5", "2"]
    assert worker_environment(1, gpu_of(2))[VISIBLE] == "5"
    assert worker_environment(1)[VISIBLE] == "2,5"


@pytest.mark.parametrize("said", ["", "3"])
def test_one_card_or_none_is_left_as_it_is(monkeypatch, said):
    """There is nothing to share out."""
    monkeypatch.setenv(VISIBLE, said)
    assert gpu_of(1) is None
    assert worker_environment(1, gpu_of(1))[VISIBLE] == said


def test_memory_of_cards_is_taken_as_it_is_needed_while_a_sweep_runs(monkeypatch):
    """By its workers too; afterwards all is as before, and so is what the user has said."""
    monkeypatch.setenv(VISIBLE, "0")
    monkeypatch.delenv(GROWTH, raising=False)
    with shared_gpus():
        assert worker_environment(1)[GROWTH] == "true"
    assert GROWTH not in os.environ
    monkeypatch.setenv(GROWTH, "false")
    with shared_gpus():
        assert os.environ[GROWTH] == "false"
    assert os.environ[GROWTH] == "false"


def test_only_what_libraries_read_tells_old_from_new(monkeypatch):
    """A forking server that has imported is outdated by those variables alone."""
    before = read_on_import()
    monkeypatch.setenv("MINE", "1")
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # read when a card is first used
    assert read_on_import() == before
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert read_on_import() == {**before, "TF_ENABLE_ONEDNN_OPTS": "0"}


def test_without_a_card_nothing_is_set(monkeypatch):
    """Most machines have none."""
    monkeypatch.setenv(VISIBLE, "")
    monkeypatch.delenv(GROWTH, raising=False)
    with shared_gpus():
        assert GROWTH not in os.environ
