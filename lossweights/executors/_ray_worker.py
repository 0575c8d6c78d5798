"""A worker on a node of a Ray cluster, as the driver holds it: by the actor of its slot."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from lossweights.base.errors import WorkerError
from lossweights.executors._kept import Parameters
from lossweights.executors._messages import parse
from lossweights.executors._ray_actor import ANSWER_BYTES
from lossweights.training import Member

BEAT_SECONDS = 2.0  # after which a node answers though there is nothing to say
ANSWERS_A_SECOND = 200  # with nothing in them, of all slots; more slots answer more rarely
SILENT_SECONDS = 15.0  # without an answer, after which a node is given up; at least three beats
LOOK_SECONDS = 0.25  # how often it is looked whether a node is silent, or half a beat
END_SECONDS = 5.0  # that an idle worker has to end
KEPT_OUTPUT = 1 << 20  # bytes of what it prints before there is a folder for it


class Pump:
    """The thread that asks all slots what they have to say, again and again.

    Answers come in a thread of Ray's own, where nothing new may be asked.
    """

    def __init__(self) -> None:
        self._answers: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lossweights-pump", daemon=True)
        self._thread.start()

    def ask(
        self, question: Any, heard: Callable[[], None], answered: Callable[[Future[Any]], None]
    ) -> None:
        """Have the answer to a question handed over, in the pump's thread.

        Args:
            question: The reference to it.
            heard: Called as soon as it is there, however much the pump has to do before.
            answered: Called with it.
        """

        def done(answer: Future[Any]) -> None:
            heard()
            self._answers.put(lambda: answered(answer))

        future: Future[Any] = question.future()
        future.add_done_callback(done)

    def close(self) -> None:
        """End the thread; what is answered later is not heard."""
        self._answers.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (answer := self._answers.get()) is not None:
            answer()


def beat_of(slots: int) -> float:
    """After how many seconds each of so many slots answers though there is nothing to say.

    >>> beat_of(2), beat_of(1000)
    (2.0, 5.0)
    """
    return max(BEAT_SECONDS, slots / ANSWERS_A_SECOND)


class RayWorker:
    """One worker process on a node and the actor that holds it.

    Args:
        actor: The actor, a `lossweights.executors._ray_actor.Slot`; it may wait for its place.
        pump: Asks it.
        kill: Ends an actor.
        check: Refuses a node by the versions that it has; given its name.
        beat: Seconds after which its slot answers though there is nothing to say.
        log: File that the output of the worker is appended to, once there is one.
        patience: Seconds to wait for a place on a node; ``None`` waits for as long as it takes.

    Attributes:
        node: Name of the node; empty as long as it waits for one.
        node_id: How Ray knows it.
        pid: Process id of the worker there; 0 as long as there is none.
    """

    def __init__(
        self,
        actor: Any,
        pump: Pump,
        kill: Callable[[Any], None],
        check: Callable[[str, dict[str, str]], None],
        beat: float,
        log: Path | None,
        patience: float | None,
    ) -> None:
        self.node, self.node_id, self.pid = "", "", 0
        self._actor, self._pump, self._kill, self._check = actor, pump, kill, check
        self._inbox: SimpleQueue[bytes | None] = SimpleQueue()  # `None`: nothing comes any more
        self._how = self._tail = ""
        self._log, self._early = log, b""
        self._logging, self._telling = threading.Lock(), threading.Lock()
        self._told = 0
        self._parts: list[bytes] = []  # of a message that goes on
        self._gone = self._placed = False
        self._beat, self._patience = beat, patience
        self._look = max(LOOK_SECONDS, beat / 2)  # of many slots each looks more rarely
        # Counted in looks, not read from a clock: it goes on while the driver's machine sleeps.
        self._silent, self._is_asked = 0.0, False
        self._ask()

    def send(self, say: str, **content: Any) -> None:
        """Send a message; from any thread.

        Raises:
            OSError: It is known to be gone.
        """
        data = json.dumps({"say": say, **content}, allow_nan=False).encode()
        if self._gone:
            raise BrokenPipeError(self._how)
        parts = [data[i : i + ANSWER_BYTES] for i in range(0, len(data), ANSWER_BYTES)]
        with self._telling:
            for part in parts:
                self._actor.tell.remote(self._told, part, part is not parts[-1])
                self._told += 1

    def hear(self) -> dict[str, Any]:
        """Wait for the next message of the worker.

        Raises:
            EOFError: It is gone, or its node is, or that says nothing.
            WorkerError: It sent something else than a message; no node has room, or that which has
                has other versions.
        """
        return self._next(None)

    def _next(self, deadline: float | None) -> dict[str, Any]:
        """The next message, which has to come before a deadline."""
        while deadline is None or time.monotonic() < deadline:
            try:
                data = self._inbox.get(timeout=self._look)
            except Empty:
                self._be_patient()
                continue
            if data is None:
                self._inbox.put(None)
                raise EOFError
            message = parse(data)
            if message["say"] == "here":
                self.node, self.node_id = str(message["node"]), str(message["node_id"])
                self.pid = int(message["pid"])
                self._check(self.node, message["versions"])
            elif message["say"] == "gone":
                self._lose(str(message["how"]), str(message["tail"]))
            else:
                return message
        raise EOFError

    def parameters(self, member: Member) -> Parameters | None:
        """None: they may be large, and the winner is trained again where the driver is."""
        return None

    def log_to(self, log: Path) -> None:
        """Have what it prints appended to a file, with what it has printed so far."""
        with self._logging:
            self._log = log
            early, self._early = self._early, b""
        self._print(early)

    def kill(self) -> None:
        """End it now, with its actor."""
        self._lose("was ended")
        self._kill(self._actor)

    def terminate(self) -> None:
        """End it, softly if it lets us; that it has ended is heard."""
        self._actor.terminate.remote()

    def end(self) -> tuple[str, str]:
        """Let an idle worker end, and then its actor; how it ended, and the last that it wrote."""
        if not self._gone and self.pid:
            self._actor.let_go.remote()
            deadline = time.monotonic() + END_SECONDS
            with suppress(EOFError, WorkerError):
                while True:
                    self._next(deadline)
        self._gone = True
        self._kill(self._actor)
        return self._how or "was ended", self._tail

    def _ask(self) -> None:
        self._is_asked = True
        self._pump.ask(self._actor.hear.remote(self._beat), self._heard, self._answered)

    def _heard(self) -> None:
        """It is not silent until it is asked again, however long that takes here."""
        self._is_asked, self._silent = False, 0.0

    def _answered(self, answer: Future[Any]) -> None:
        """Take what it has said and printed, and ask again; in the pump's thread."""
        try:
            said, output, goes_on = answer.result()
            self._placed = True
            self._print(output)
            for number, data in enumerate(said, 1):
                self._parts.append(data)
                if number < len(said) or not goes_on:
                    self._inbox.put(b"".join(self._parts))
                    self._parts.clear()
            if not self._gone:
                self._ask()
        except Exception as error:  # whatever Ray makes of an actor or a node that is gone
            self._lose(*_why(error))

    def _lose(self, how: str, tail: str = "") -> None:
        if not self._gone:
            self._gone, self._how, self._tail = True, how, tail
            self._inbox.put(None)

    def _be_patient(self) -> None:
        """Give up a node that is silent, and a place that does not come.

        Raises:
            WorkerError: No node has had room for as long as was to be waited.
        """
        if self._is_asked:
            self._silent += self._look
        most = max(SILENT_SECONDS, 3 * self._beat)
        if self._placed and self._silent > most and not self._gone:
            self._lose(f"is lost: its node {self.node} was silent for {most:g} s")
            self._kill(self._actor)
        waits = not self._placed and not self._gone
        if waits and self._patience is not None and self._silent > self._patience:
            self._gone = True
            raise WorkerError(
                f"Expected room for a worker on a node of the cluster. Found none for "
                f"{self._patience:g} s: `ray status` tells what is taken. Free cores or memory, or "
                f"let more nodes join.",
                "no node of the cluster has room for a worker",
            )

    def _print(self, output: bytes) -> None:
        if not output:
            return
        with self._logging:
            if self._log is None:
                self._early = (self._early + output)[-KEPT_OUTPUT:]
                return
            with suppress(OSError):  # a full disk is the store's to tell
                self._log.parent.mkdir(parents=True, exist_ok=True)
                with self._log.open("ab") as log:
                    log.write(output)


def _why(error: Exception) -> tuple[str, str]:
    """How a worker was lost, as a clause, and all that Ray says of it."""
    said = str(error)
    if "node has died" in said or "node was terminated" in said or "NodeDied" in said:
        return "is lost: its node is gone", said
    if "ModuleNotFoundError" in said or "failed to import" in said:
        return "could not be started: a node lacks lossweights, or has another version of it", said
    return "is lost: its actor is gone", said
