"""The sweep folder as its one writer holds it: lock, Optuna study, results. Only it uses optuna."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from lossweights._files import dump_json, exclusive_lock, write_atomic
from lossweights.errors import StoreError
from lossweights.folder import (
    Asked,
    Finished,
    list_results,
    read_manifest,
    refuse_existing,
    sweep_folder,
    write_result,
)
from lossweights.records import Outcome, TrialResult
from lossweights.space import LogUniform, Space

STARTUP_TRIALS = 16  # random weight sets before TPE models anything; anchors count among them
_STATES = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    # Told as pruned, so that the sampler learns to keep away; as a failure it would learn nothing.
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}


class Store:
    """One sweep on disk, open for writing by this process alone; a context manager.

    Use `create` for a new sweep and `reopen` for one that exists.
    """

    def __init__(self, folder: Path, name: str, objectives: Mapping[str, str], seed: int) -> None:
        self.folder, self.name, self.seed = folder, name, seed
        self._objectives = dict(objectives)
        self._closing = ExitStack()
        self._study: optuna.Study | None = None
        self._open_trials: dict[int, optuna.Trial] = {}
        self._finished = 0

    @classmethod
    def create(
        cls,
        root: Path,
        name: str,
        manifest: Mapping[str, Any],
        objectives: Mapping[str, str],
        seed: int,
    ) -> Store:
        """Make the folder of a new sweep, whole or not at all.

        Raises:
            SweepExists: There is a sweep of this name.
            SweepLocked: Another process is making it.
            StoreError: The root cannot be written.
        """
        folder = sweep_folder(root, name)
        refuse_existing(root, name)
        store = cls(folder, name, objectives, seed)
        try:
            store._lock()
            refuse_existing(root, name)  # another process may have been faster
            store._clear()
            store._open_study(create=True)
            write_atomic(folder / "manifest.json", dump_json(dict(manifest)))
        except BaseException:
            # Locked or there already: the folder is somebody else's.
            if store._study is not None:
                store._clear()
            store.close()
            raise
        return store

    @classmethod
    def reopen(cls, root: Path, name: str, objectives: Mapping[str, str], seed: int) -> Store:
        """Open the folder of a sweep that exists; trials that were running are settled.

        Raises:
            SweepNotFound: There is no sweep of this name.
            SweepLocked: Another process is driving it.
        """
        read_manifest(root, name)
        store = cls(sweep_folder(root, name), name, objectives, seed)
        try:
            store._lock()
            store._open_study(create=False)
            store._settle()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock and the database."""
        self._closing.close()

    def enqueue(self, baselines: Sequence[Mapping[str, float]]) -> None:
        """Queue parameter values that are tried before anything is sampled."""
        for parameters in baselines:
            self._trials.enqueue_trial(dict(parameters), user_attrs={"kind": "baseline"})

    def ask(self, space: Space) -> Asked:
        """The next trial; it is running until told.

        The sampler is seeded anew for each trial from the sweep's seed and the trial's number: a
        resumed sweep samples what an uninterrupted one would have.
        """
        number = len(self._trials.get_trials(deepcopy=False))
        waiting = self._trials.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        number = waiting[0].number if waiting else number
        self._trials.sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS, seed=(self.seed * 1_000_003 + number) % 2**32
        )
        trial = self._trials.ask(_distributions(space))
        self._open_trials[trial.number] = trial
        kind = trial.user_attrs.get("kind", "trial")
        return Asked(trial.number, dict(trial.params), kind)

    def tell(self, asked: Asked, result: TrialResult) -> None:
        """Keep the result of a trial: first as a file, then in the study.

        Raises:
            StoreError: The result cannot be written.
        """
        write_result(self.folder, Finished(asked, result))
        self._finished += 1
        trial = self._open_trials.pop(asked.number)
        for name, weight in result.weights.items():
            trial.set_user_attr(f"weight/{name}", weight)
        trial.set_user_attr("outcome", result.outcome.name)
        self._trials.tell(trial, self._values(result), state=_STATES[result.outcome])

    def finished(self) -> int:
        """How many trials have ended, in whatever way, without the ones that were interrupted."""
        return self._finished

    @property
    def _trials(self) -> optuna.Study:
        assert self._study is not None, "the store is open from create() or reopen() on"
        return self._study

    def _lock(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"Expected a root folder that can be written. Found {self.folder}: {error}. "
                f"Choose another with --root, or change its rights."
            ) from error
        lock = exclusive_lock(self.folder / "lock", f"The sweep {self.name!r}")
        self._closing.enter_context(lock)

    def _clear(self) -> None:
        """Remove what an interrupted creation left; the lock file stays until the end."""
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self._study is not None:
            (self.folder / "lock").unlink(missing_ok=True)
            self.folder.rmdir()

    def _open_study(self, *, create: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{self.folder / 'study.db'}",
            engine_kwargs={"connect_args": {"timeout": 60}},
        )
        self._closing.callback(storage.engine.dispose)
        self._closing.callback(storage.remove_session)
        if create:
            (self.folder / "trials").mkdir(exist_ok=True)
            self._study = optuna.create_study(
                study_name=self.name,
                storage=storage,
                directions=list(self._objectives.values()),
                pruner=optuna.pruners.NopPruner(),
            )
        else:
            self._study = optuna.load_study(study_name=self.name, storage=storage)

    def _settle(self) -> None:
        """Settle the trials of a driver that died: told if their result was kept, else failed."""
        results = list_results(self.folder)
        self._finished = len(results)
        for frozen in self._trials.get_trials(states=(TrialState.RUNNING,)):
            if frozen.number in results:
                result = results[frozen.number].result
                state = _STATES[result.outcome]
                self._trials.tell(frozen.number, self._values(result), state=state)
            else:
                self._trials.tell(frozen.number, state=TrialState.FAIL)
                if frozen.params:
                    self._trials.enqueue_trial(
                        frozen.params, user_attrs={**_kind(frozen), "retry_of": frozen.number}
                    )

    def _values(self, result: TrialResult) -> list[float] | None:
        """The objectives of a completed trial, which alone has any."""
        if result.outcome is not Outcome.COMPLETE:
            return None
        return [result.metrics[name] for name in self._objectives]


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {
        name: FloatDistribution(part.low, part.high, log=isinstance(part, LogUniform))
        for name, part in space.parameters.items()
    }


def _kind(frozen: FrozenTrial) -> dict[str, str]:
    return {"kind": frozen.user_attrs["kind"]} if "kind" in frozen.user_attrs else {}
