"""Which graphics cards a process may use."""

import pytest

from lossweights.base import graphics
from lossweights.base.graphics import VISIBLE, visible_gpus


@pytest.fixture
def cards(monkeypatch, tmp_path):
    """A machine with two cards, and nothing said of them."""
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(graphics, "DEVICES", tmp_path)
    monkeypatch.delenv(VISIBLE, raising=False)
    return monkeypatch


def test_where_nothing_is_said_all_cards_are_seen(cards, tmp_path):
    """CUDA counts them from 0, whatever the driver calls them in a container."""
    assert visible_gpus() == ["0", "1"]
    cards.setattr(graphics, "DEVICES", tmp_path / "nowhere")
    assert visible_gpus() == []


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("1", ["1"]),
        ("3, 0", ["3", "0"]),
        ("GPU-8932f937,MIG-GPU-1/1/0", ["GPU-8932f937", "MIG-GPU-1/1/0"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("NoDevFiles", []),
    ],
)
def test_what_is_said_counts_as_cuda_reads_it(cards, said, seen):
    """Up to the first name that is none."""
    cards.setenv(VISIBLE, said)
    assert visible_gpus() == seen
