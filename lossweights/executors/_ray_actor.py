"""A slot on a node of a Ray cluster: the actor that holds a worker process there.

It trains nothing itself. Its worker is the process that trains on the driver's own machine, too,
started in the same way and with the same threads, so that both come to the same numbers; what the
two say to each other passes through here as the bytes that it is.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from lossweights.base.versions import versions
from lossweights.executors._child import Child
from lossweights.executors._environment import THREAD_COUNTS

# Ray sends what is below 100 KB with a call or an answer itself. More goes through the object
# store, which may be full of what others keep there; so a message that is longer goes in parts.
ANSWER_BYTES = 32 << 10
LAST_BYTES = 1 << 20  # of what a worker has printed and not shown when it ends
LONELY_SECONDS = 60.0  # without a word of the driver, after which nothing goes on here
LONELY_BEATS = 6  # that it lasts at least: twice what the driver bears


class Slot:
    """Holds a worker process, hands on what is said, and ends with its driver.

    Args:
        cores: How many threads the worker's numerical libraries may use.
        environment: What the driver's environment says of numerical libraries.
        load: First message to the worker.
        carried: The sweep itself, if the worker cannot load it from anywhere.
        lonely: Seconds without a word of the driver after which it ends.
    """

    def __init__(
        self,
        cores: int,
        environment: Mapping[str, str],
        load: Mapping[str, Any],
        carried: bytes | None,
        lonely: float = LONELY_SECONDS,
    ) -> None:
        self._cores, self._load, self._carried = cores, _found_here(load), carried
        self._child: Child | None = None
        self._said: SimpleQueue[bytes | None] = SimpleQueue()  # `None`: there is an end
        self._untold = b""  # of a message that the last answer had no room for
        self._end: bytes | None = None  # said when all that was printed has been told
        self._early: dict[
            int, tuple[bytes, bool]
        ] = {}  # of messages to the worker, until their turn
        self._next, self._part = 0, b""
        self._telling = threading.Lock()
        self._shown = 0  # bytes of the worker's output that the driver has
        self._rest = b""  # of the output of one that has ended
        self._has_more = False  # output than the last answer had room for
        self._showing = threading.Lock()
        self._asked, self._lonely = time.monotonic(), lonely
        _be_like_the_driver(environment)
        # The kernel ends a worker when the thread that started it ends; this one stays.
        threading.Thread(target=self._work, name="worker", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def hear(self, seconds: float) -> tuple[list[bytes], bytes, bool]:
        """What the worker has said and printed, waiting for the former for so long at most.

        An answer with nothing in it says that the node is alive. One of many slots is asked more
        rarely, and waits longer for a word of the driver.

        Returns:
            Messages, output, and whether the last message goes on in the next answer.
        """
        self._asked = time.monotonic()
        self._lonely = max(self._lonely, LONELY_BEATS * seconds)
        found: list[bytes] = []
        size = 0
        with suppress(Empty):
            message = self._untold or self._said.get(timeout=0.0 if self._has_more else seconds)
            while message is not None:
                room = ANSWER_BYTES - size
                found.append(message[:room])
                size, self._untold = size + len(found[-1]), message[room:]
                message = self._said.get_nowait() if size < ANSWER_BYTES else None
        output = self._output(ANSWER_BYTES - size)
        is_all = self._said.empty() and not self._untold and not self._has_more
        if self._end is not None and is_all:
            found.append(self._end)  # after which nothing is asked any more
            self._end = None
        return found, output, bool(self._untold)

    def tell(self, number: int, part: bytes, goes_on: bool) -> None:
        """Hand a message to the worker, in the order of their numbers: Ray may change that.

        Args:
            number: Number of the part, over all messages.
            part: The message, or the next part of it.
            goes_on: Whether there is more of it.
        """
        with self._telling, suppress(OSError):  # it is gone, which is told by another way
            self._early[number] = part, goes_on
            while self._child is not None and self._next in self._early:
                part, goes_on = self._early.pop(self._next)
                self._next, self._part = self._next + 1, self._part + part
                if not goes_on:
                    message, self._part = self._part, b""
                    self._child.send_bytes(message)

    def terminate(self) -> None:
        """End the worker, softly if it lets us."""
        if self._child is not None:
            self._child.terminate()

    def let_go(self) -> None:
        """Close the worker's pipe, which ends an idle one."""
        if self._child is not None:
            with suppress(OSError):  # it is gone
                self._child.let_go()

    def _work(self) -> None:
        """Hold the worker to its end, of which the driver hears, whatever it has come from."""
        how, tail = "was ended", ""
        try:
            self._hold()
        except Exception as error:  # EOFError and OSError: it has ended, or never started
            try:
                how, tail = self._ended(error)
            except Exception as another:
                how = f"was lost by its slot: {error!r}, and then {another!r}"
        self._end = _message("gone", how=how, tail=tail)
        self._said.put(None)

    def _hold(self) -> None:
        """Start the worker and take what it says.

        Raises:
            EOFError, OSError: It has ended, or could not be started.
        """
        child = self._child = Child(None, self._cores)
        name, number = _node()
        here = {"node": name, "node_id": number, "pid": child.pid, "versions": versions()}
        self._said.put(_message("here", **here))
        child.send("load", **self._load)
        if self._carried is not None:
            child.send_bytes(self._carried)
        while True:
            self._said.put(child.hear_bytes())

    def _ended(self, error: Exception) -> tuple[str, str]:
        """How the worker ended, as a clause, and the last that it wrote."""
        if self._child is None:
            return f"could not be started: {error!r}", ""
        self._rest = self._output(LAST_BYTES)
        how, tail = self._child.end()
        if not isinstance(error, EOFError | OSError):
            how = f"was ended by its slot: {error!r}"
        return how, tail

    def _output(self, most: int) -> bytes:
        """What the worker has printed since this was asked last."""
        with self._showing:
            if most <= 0 or self._child is None:
                self._has_more = self._child is not None  # perhaps
                return b""
            output, self._rest = self._rest[:most], self._rest[most:]
            if not output:
                output = self._child.output(self._shown, most)
                self._shown += len(output)
            self._has_more = len(output) == most
            return output

    def _watch(self) -> None:
        """End with a driver that says nothing any more: its machine is gone, or the network."""
        while time.monotonic() - self._asked < self._lonely:
            threading.Event().wait(self._lonely / 10)
        os._exit(1)  # and with this process its worker


def _message(say: str, **content: Any) -> bytes:
    return json.dumps({"say": say, **content}).encode()


def _node() -> tuple[str, str]:
    """The node by the name of its machine and the first of the signs that Ray knows it by; all."""
    import ray

    number = str(ray.get_runtime_context().get_node_id())
    return f"{platform.node()}/{number[:6]}", number


def _found_here(load: Mapping[str, Any]) -> dict[str, Any]:
    """The first message, with the script where it lies on this node.

    A path that is not absolute is one in the folder that came along, which Ray has made the folder
    of this process.
    """
    location = load["location"]
    if location is None or "script" not in location:
        return dict(load)
    return {**load, "location": {**location, "script": str(Path.cwd() / location["script"])}}


def _be_like_the_driver(environment: Mapping[str, str]) -> None:
    """Have the environment in which the driver would start a worker.

    Ray sets numbers of threads of its own, and puts packages of its own before those of everybody.
    """
    for name in THREAD_COUNTS:
        os.environ.pop(name, None)
    os.environ.update(environment)
    ray = str(Path(sys.modules["ray"].__file__ or "").parent) if "ray" in sys.modules else None
    if ray is not None:
        sys.path[:] = [each for each in sys.path if not each.startswith(f"{ray}{os.sep}")]
