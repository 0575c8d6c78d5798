"""What a worker holds while it serves."""

import threading
import tracemalloc
from multiprocessing import Pipe

from lossweights.executors import Loaded, serve
from lossweights.executors._messages import receive, send
from lossweights.testing import FakeTrainer

SIZE = 64 << 20


def test_the_bytes_of_a_sweep_are_not_held():
    """Once they are unpacked; they may be all data."""
    ours, theirs = Pipe()
    unpacked = []

    def load(request, receive):
        unpacked.append(len(receive()))
        return Loaded(FakeTrainer(), "same")

    tracemalloc.start()
    serving = threading.Thread(target=serve, args=(theirs, load))
    try:
        serving.start()
        send(ours, "load", location=None)
        ours.send_bytes(bytes(SIZE))
        assert receive(ours)["say"] == "ready"
        assert unpacked == [SIZE]
        assert tracemalloc.get_traced_memory()[0] < SIZE // 4
    finally:
        tracemalloc.stop()
        ours.close()
        serving.join()
