"""The recorder: written in groups, told when safe, and errors where the driver sees them."""

import pytest

from lossweights.base.errors import StoreError
from lossweights.driver._recorder import MAX_BEHIND, Recorder


class Slow:
    """A store whose writes wait until they are flushed."""

    behind = False

    def __init__(self, fails=0):
        self.todo, self.fails, self.groups = [], fails, []

    @property
    def waiting(self):
        """How many wait."""
        return len(self.todo)

    def flush(self):
        """Write all that waits, or fail."""
        if self.fails:
            self.fails -= 1
            raise StoreError("no space left")
        group, self.todo = self.todo, []
        self.groups.append(group)
        return group


def test_all_is_written_and_told_in_order():
    """Whoever listens hears of a trial once it is safe."""
    store, safe = Slow(), []
    with Recorder(store, safe.append, lambda: None) as recorder:
        assert store.behind
        for number in range(100):
            store.todo.append(number)
            recorder.wake()
    assert safe == list(range(100))
    assert store.waiting == 0
    assert not store.behind


def test_the_driver_waits_while_too_much_waits():
    """Memory is bounded by what may wait."""
    store = Slow()
    with Recorder(store, lambda finished: None, lambda: None) as recorder:
        store.todo.extend(range(MAX_BEHIND + 1))
        recorder.wake()
        recorder.wait()
        assert store.waiting <= MAX_BEHIND


def test_an_error_is_kept_for_the_driver_and_tried_once_more():
    """The disk may have room again when the last trainings have ended."""
    store, safe = Slow(fails=1), []
    with Recorder(store, safe.append, lambda: None) as recorder:
        store.todo.append("a trial")
        recorder.wake()
        recorder._thread.join()
        assert isinstance(recorder.error, StoreError)
        recorder.wait()  # nobody writes any more: this must not wait for ever
    assert safe == ["a trial"]


def record_one(store, error):
    """Hand one trial in, and go wrong for a reason of one's own."""
    with Recorder(store, print, lambda: None) as recorder:
        store.todo.append("a trial")
        recorder.wake()
        recorder._thread.join()
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_an_error_that_stays_is_raised_unless_there_is_a_worse_one(error):
    """The first thing that went wrong is what the user hears of."""
    with pytest.raises(error or StoreError):
        record_one(Slow(fails=9), error)


def test_somebody_looks_in_now_and_then():
    """The status is kept up to date although nothing ends."""
    looked = []
    with Recorder(Slow(), print, lambda: looked.append(1)) as recorder:
        recorder.wake()
    assert looked
