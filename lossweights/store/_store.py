"""The sweep folder as its one writer holds it: lock, result files, Optuna study, sampler."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json
from lossweights.records import Failure, TrialResult
from lossweights.results.folder import (
    Asked,
    Finished,
    read_manifest,
    refuse_existing,
    sweep_folder,
)
from lossweights.search.aims import Aims
from lossweights.search.sampler import Sampler
from lossweights.search.samplers import BEFORE, SamplerLike
from lossweights.search.space import Space
from lossweights.store._claim import Claim
from lossweights.store._member import member_of
from lossweights.store._rungs import RungJournal
from lossweights.store._settle import Settled, open_study, settle
from lossweights.store._spool import Spool
from lossweights.store._study import Study
from lossweights.store._told import lesson_of
from lossweights.store._writer import Writer
from lossweights.store.manifest import first_places
from lossweights.training import Member

DATABASE = "study.db"


class Store:
    """One sweep on disk, open for writing by this process alone; a context manager.

    Use `create` for a new sweep and `reopen` for one that exists. A sweep has *places*, numbered
    from 0: at each a weight set is tried, once, or again if its trial was cut short. Trials have
    numbers, places do not repeat; so a sweep samples the same whatever died on the way.

    Set `behind` and asking and keeping return at once; `flush` then writes, from any one thread.

    Attributes:
        root: Folder of the sweeps.
        folder: The sweep folder.
        name: Name of the sweep.
        manifest: What is swept.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        sampler: What samples, and knows whether there is anything more to ask for.
        spool: Reports of the trials that are training.
        journal: What was decided at rungs.
        behind: Whether writing waits for `flush`.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        space: Space,
        sampler: SamplerLike | None = None,
    ) -> None:
        self.root, self.folder, self.manifest = folder.parents[1], folder, dict(manifest)
        self.name = str(manifest["name"])
        self.spool, self.journal = Spool(folder), RungJournal(folder)
        self.behind = False
        self._space, self.objectives = space, dict(manifest["objectives"])
        self._first = first_places(manifest)
        self._seed = int(manifest.get("seed", 0))
        self._aims = Aims.of_manifest(manifest)
        self._closing = ExitStack()
        self._writer: Writer | None = None
        samples = sampler or str(manifest.get("sampler", BEFORE))
        self.sampler = Sampler(space, list(self.objectives.values()), self._seed, samples)
        self._proposed: deque[Asked] = deque()
        self._places: dict[int, int] = {}  # of every trial, by number
        self._place_count = self._trial_count = self._finished = 0
        self._due: deque[Asked] = deque()  # trials whose weights are to be tried again
        self._redo: set[int] = set()  # those of them that keep their number
        self._history: list[Finished] = []  # of before, in order of places; not yet learned
        self._killed: set[int] = set()  # places at which a worker died

    @classmethod
    def create(
        cls,
        root: Path,
        manifest: Mapping[str, Any],
        space: Space,
        sampler: SamplerLike | None = None,
    ) -> Self:
        """Make the folder of a new sweep, whole or not at all.

        Args:
            root: Folder of the sweeps.
            manifest: What is swept: with ``name``, ``objectives``, ``seed`` and ``baselines``.
            space: What is sampled.
            sampler: What samples; ``None`` for the one of ours that the manifest names.

        Raises:
            SweepExists: There is a sweep of this name.
            SweepLocked: Another process is making it.
            StoreError: The root cannot be written.
        """
        name = str(manifest["name"])
        refuse_existing(root, name)
        store = cls(sweep_folder(root, name), manifest, space, sampler)
        claim = store._claim()
        try:
            refuse_existing(root, name)  # another process may have been faster
            claim.clear()
        except BaseException:
            store.close()  # there already: the folder is somebody else's
            raise
        try:
            (store.folder / "trials").mkdir()
            store._hold(Study.of_manifest(store.folder / DATABASE, manifest, create=True))
            write_atomic(store.folder / "manifest.json", dump_json(dict(manifest)))
        except BaseException:
            claim.remove()
            store.close()
            raise
        return store

    @classmethod
    def reopen(
        cls, root: Path, name: str, space: Space, sampler: SamplerLike | None = None
    ) -> Self:
        """Open the folder of a sweep that exists, and settle what its last driver left open.

        Trials that were running have failed and are due again. A result file that cannot be read is
        set aside, and its trial is due again. A study that cannot be read is made anew from the
        result files.

        Raises:
            SweepNotFound: There is no sweep of this name.
            SweepLocked: Another process is driving it.
            StoreError: Its folder cannot be written.
        """
        store = cls(sweep_folder(root, name), read_manifest(root, name), space, sampler)
        store._claim()
        try:
            study, results = open_study(
                store.folder / DATABASE, store.folder, store.manifest, space, store._aims
            )
            store._hold(study)
            store._take(settle(study, results, store.spool, store.member))
        except BaseException:
            store.close()
            raise
        return store

    def _take(self, settled: Settled) -> None:
        """Go on from where the last driver stopped."""
        self._places, self._history = settled.places, settled.history
        self._due.extend(settled.due)
        self._redo, self._killed = settled.redo, settled.killed
        self._place_count = 1 + max(self._places.values(), default=-1)
        self._trial_count = settled.trials
        self._finished = len(settled.history)
        for finished in settled.told:
            self._write(finished)
        self.spool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock and the database; what was not flushed is given up."""
        self._closing.close()

    @property
    def waiting(self) -> int:
        """How many writes wait for `flush`."""
        return len(self._open_writer)

    @property
    def places(self) -> int:
        """How many weight sets have been asked for."""
        return self._place_count

    @property
    def changed_at(self) -> int:
        """At which place the sweep was last gone on with after a change; 0 if it never was."""
        accepted = [change.get("trials") for change in self.manifest.get("accepted", ())]
        return max((at for at in accepted if isinstance(at, int)), default=0)

    def finished(self) -> int:
        """How many of them have ended, in whatever way; those to be tried again have not."""
        return self._finished

    def member(self, asked: Asked) -> Member:
        """What is trained: each weight is the sampled one over the scale of its term."""
        return member_of(asked, self._space, self.manifest, self._seed)

    def place(self, asked: Asked) -> int:
        """The place of a trial."""
        return self._places[asked.number]

    def change_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Go on with another manifest.

        Raises:
            StoreError: It cannot be written.
        """
        write_atomic(self.folder / "manifest.json", dump_json(dict(manifest)))
        self.manifest = dict(manifest)
        self._first = first_places(manifest)
        self._aims = self._open_writer.aims = Aims.of_manifest(manifest)

    def take_history(self) -> list[Finished]:
        """What ended before, in order of places, for a caller that will `learn` it in its turn."""
        history, self._history = self._history, []
        return history

    @property
    def due(self) -> list[Asked]:
        """The trials to be tried again, as they were asked for before."""
        return list(self._due)

    def take_due(self, waiting: Sequence[Finished] = ()) -> list[Asked]:
        """The trials to be tried again, each proposed; they come before anything new.

        Args:
            waiting: What ended before and is not learned yet. The sampler knows of both kinds in
                the order of their places, as it did.
        """
        for asked in sorted([*(f.asked for f in waiting), *self._due], key=self.place):
            self.expect(asked)
        due = [self._again(asked) for asked in self._due]
        self._due.clear()
        return due

    def ask(self) -> Asked:
        """The next trial, begun; it is running until told."""
        asked = self.propose()
        self.begin(asked)
        return asked

    def propose(self) -> Asked:
        """The next trial. Until it is begun it can be given up without a trace.

        Weights to be tried again come first, then `first_places`, then what the sampler makes.
        """
        for finished in self.take_history():
            self.learn(finished)
        if self._due:
            return self._again(self._due.popleft())
        place = self._place_count
        if place < len(self._first):
            asked = replace(self._first[place], number=self._trial_count)
            self.sampler.expect(place, asked.parameters)
        else:
            asked = Asked(self._trial_count, self.sampler.ask(place), "trial")
        self._place_count += 1
        return self._propose(asked, place)

    def retry(self, asked: Asked) -> Asked:
        """A new trial with the weights of one that failed."""
        again = replace(asked, number=self._trial_count, retry_of=asked.number)
        return self._propose(again, self._places[asked.number])

    def _again(self, asked: Asked) -> Asked:
        self.expect(asked)
        return asked if asked.number in self._redo else self.retry(asked)

    def expect(self, asked: Asked) -> None:
        """Let the sampler know of a trial that it will learn of later."""
        self.sampler.expect(self._places[asked.number], asked.parameters)

    def _propose(self, asked: Asked, place: int) -> Asked:
        self._places[asked.number] = place
        self._trial_count += 1
        self._proposed.append(asked)
        return asked

    def begin(self, asked: Asked) -> None:
        """A trial is running, and so are those proposed before it: the study has no gaps.

        Raises:
            StoreError: It cannot be written.
        """
        while self._proposed and self._proposed[0].number <= asked.number:
            self._write(self._proposed.popleft())

    def begun(self, asked: Asked) -> bool:
        """Whether a trial has begun, or one that was proposed later."""
        return not self._proposed or asked.number < self._proposed[0].number

    def keep(self, finished: Finished) -> None:
        """Keep the result of a trial: as a file first, then in the study.

        Raises:
            StoreError: It cannot be written.
        """
        if not finished.again:
            self._finished += 1
        elif finished.result.failure is Failure.WORKER_KILLED:
            self._killed.add(self._places[finished.asked.number])
        self._write(finished)

    def learn(self, finished: Finished) -> None:
        """Let the sampler learn from a trial."""
        asked, place = finished.asked, self._places[finished.asked.number]
        seen = {"stale": place < self.changed_at, "repeated": place in self._killed}
        lesson = lesson_of(finished.result, self.manifest, self._aims, **seen)
        self.sampler.learn(place, asked.parameters, **lesson)

    def tell(self, asked: Asked, result: TrialResult) -> None:
        """Keep the result of a trial and learn from it; see `keep`."""
        finished = Finished(asked, result)
        self.keep(finished)
        self.learn(finished)

    def _write(self, item: Asked | Finished) -> None:
        self._open_writer.add(item)
        if not self.behind:
            self.flush()

    def flush(self) -> list[Finished]:
        """Write what has waited longest, a group at most; the trials whose results are now safe.

        Raises:
            StoreError: It cannot be written.
        """
        return self._open_writer.flush()

    @property
    def _open_writer(self) -> Writer:
        assert self._writer is not None, "the store is open from create() or reopen() on"
        return self._writer

    def _claim(self) -> Claim:
        claim = Claim(self.folder, self.name)
        self._closing.callback(claim.close)
        return claim

    def _hold(self, study: Study) -> None:
        self._closing.callback(study.close)
        self._writer = Writer(
            self.folder, study, self.spool, self._space, self.manifest, self._aims, self.member
        )
