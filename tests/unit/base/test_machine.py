"""What is known of the machine, and what is taken where the system does not tell."""

import os
from pathlib import Path

import pytest

from lossweights.base import machine


@pytest.fixture
def meminfo(monkeypatch):
    """Sets what /proc/meminfo says; ``None`` is a system without it."""
    real = Path.read_text

    def says(text):
        def read(path, *args, **kwargs):
            if str(path) != "/proc/meminfo":
                return real(path, *args, **kwargs)
            if text is None:
                raise FileNotFoundError(path)
            return text

        monkeypatch.setattr(Path, "read_text", read)

    return says


def test_memory_is_read_in_bytes(meminfo):
    """The kernel counts in kibibytes."""
    meminfo("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:   512 kB\n")
    assert machine.total_bytes() == 2 << 20
    assert machine.free_bytes() == 1 << 19


@pytest.mark.parametrize("text", [None, "", "MemTotal:\nMemAvailable: much kB\n"])
def test_where_the_system_does_not_tell_a_guess_is_taken(meminfo, text):
    """What is free is guessed, what there is in all is not."""
    meminfo(text)
    assert machine.total_bytes() is None
    assert machine.free_bytes() == machine.DEFAULT_FREE


def test_this_process_holds_memory():
    """More once it has filled a large piece."""
    before = machine.held_bytes()
    piece = b"x" * (64 << 20)
    assert machine.held_bytes() > before + (len(piece) >> 1)


def test_no_more_cores_than_there_are():
    """The process may be bound to some of them."""
    assert 1 <= machine.available_cores() <= os.cpu_count()


def test_the_processor_has_a_name():
    """The same every time, so that rates are found again."""
    assert machine.processor() == machine.processor()
    assert isinstance(machine.processor(), str)
