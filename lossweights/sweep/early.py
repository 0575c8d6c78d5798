"""What begins before the sweep is prepared: the process that its workers are forked from.

To import TensorFlow takes it as long as the script that declares the sweep. So it begins beside
that script where it is known that there will be a run: `begin` starts it, and the run takes it
over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lossweights.base.machine import available_cores
from lossweights.executors import Forkserver
from lossweights.results.folder import sweep_folder
from lossweights.sweep._options import RunOptions
from lossweights.training import IMPORTS

if TYPE_CHECKING:  # pandas, which takes long to import, too
    from lossweights.sweep._declaration import Declaration

FEWEST = 32  # trainings of a sweep that chooses to have workers
# Runs that train nothing here, or perhaps nothing at all.
_OTHERS = ("--help", "--smoke", "--resume", "--show-completion", "--install-completion")

_begun: list[Forkserver] = []  # one at most, until a run takes it over


def begin_for_script(arguments: Sequence[str], home: str) -> None:
    """Begin for a script that launches a sweep, unless its command line says that none will train.

    Args:
        arguments: Its command line, without the program's name. What it is exactly is read later,
            by the script itself; here a mistake costs a process, or the time that it would save.
        home: The module of the sweep's class.
    """
    if any(argument in _OTHERS for argument in arguments):
        return
    if _said(arguments, "executor") not in (None, "processes"):
        return
    with suppress(ValueError, OverflowError):
        trials, workers = _number(arguments, "trials"), _number(arguments, "workers")
        options = RunOptions(
            trials=RunOptions.trials if trials is None else int(trials),
            workers=None if workers is None else int(workers),
            trial_timeout=_number(arguments, "trial-timeout"),
        )
        begin(options, home)


def begin(options: RunOptions, home: str) -> None:
    """Start what workers are forked from, for a run that comes, if it may have any.

    Args:
        options: The options of the run.
        home: The module of the sweep's class.
    """
    if not _begun and _may_have_workers(options) and _is_something_left(options, options.name):
        forkserver = Forkserver((home, *IMPORTS))
        with suppress(OSError):  # the run tries it again, and says why not
            forkserver.start()
            _begun.append(forkserver)


@contextmanager
def no_longer_than_this() -> Iterator[None]:
    """End what was begun and no run took over, with the context: there was a mistake before it."""
    try:
        yield
    finally:
        while _begun:
            _begun.pop().close()


@contextmanager
def early_forkserver(sweep: Declaration, options: RunOptions) -> Iterator[Forkserver | None]:
    """Have what workers are forked from, if there will be any; it is ended with the context.

    Args:
        sweep: The sweep.
        options: The options of the run.
    """
    begun = _begun.pop() if _begun else None
    has_workers = _may_have_workers(options, sweep.trainings)
    if begun is not None and (begun.is_outdated or not has_workers):  # the script has set some
        begun.close()
        begun = None
    if not has_workers:
        yield None
        return
    forkserver = begun or Forkserver(sweep.worker_imports)
    try:
        if begun is None and _is_something_left(options, options.name or sweep.name):
            forkserver.start()  # or with the first worker, if there is one after all
        yield forkserver
    finally:
        forkserver.close()


def _said(arguments: Sequence[str], flag: str) -> str | None:
    """What the command line says of a flag, as ``--flag 3`` or ``--flag=3``."""
    for place, argument in enumerate(arguments):
        name, has_value, value = argument.partition("=")
        if name == f"--{flag}":
            return value if has_value else next(iter(arguments[place + 1 :]), "")
    return None


def _number(arguments: Sequence[str], flag: str) -> float | None:
    """The number that the command line says of a flag.

    Raises:
        ValueError: It is none.
    """
    said = _said(arguments, flag)
    return None if said is None else float(said)


def _is_something_left(options: RunOptions, name: str | None) -> bool:
    """Whether trials are to be trained, by the number of result files; or a confirmation is."""
    if not options.resume or options.only_confirm or name is None:
        return True
    folder = sweep_folder(options.root, name)
    return sum(1 for _ in (folder / "trials").glob("*.json")) < options.trials


def _may_have_workers(options: RunOptions, trainings: int = 1) -> bool:
    """For few trials workers are not worth their start, unless somebody asks for them.

    Args:
        options: The options of the run.
        trainings: How often each weight set is trained.
    """
    if options.executor not in (None, "processes"):
        return False
    asked = bool(options.workers or options.executor) or options.trial_timeout is not None
    enough = options.trials * trainings >= FEWEST and available_cores() > 1
    return options.workers != 0 and (asked or enough) and Forkserver.is_possible()
