"""Signals: the first is noted, the second raised, and none is changed for good."""

import os
import signal
import threading

import pytest

from lossweights.base.signals import Interrupted, Signals

pytestmark = pytest.mark.usefixtures("signals_heard")


def test_the_first_is_noted_and_the_second_raised(capfd):
    """Inside the driver's loop a signal is seen, not raised; then it is."""
    with Signals() as signals, signals.patiently():
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), signal.SIGINT)
    assert raised.value.signal == signal.SIGINT
    assert "Once more to stop at once" in capfd.readouterr().err


def test_outside_the_loop_it_is_raised_at_once():
    """While data load nobody would look."""
    with Signals(), pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)


def test_handlers_are_as_before():
    """Afterwards Ctrl-C is what it was."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Signals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_ignored_signals_stay_ignored():
    """A sweep under nohup goes on when the terminal closes."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_have_no_handlers():
    """In a thread of somebody else's program signals are not ours to take."""
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run():
        with Signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
