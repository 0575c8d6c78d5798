"""The command that goes on with a sweep as it was being run."""

from __future__ import annotations

from lossweights.base.commands import command
from lossweights.sweep._options import RunOptions

# What is said again. The manifest knows the rest, such as how many trials; a time limit was that
# run's own.
_SAID_AGAIN = ("trainer", "workers", "executor", "address", "trial_timeout", "memory",
               "max_retries", "register")  # fmt: skip


def going_on(verb: str, name: str, options: RunOptions, **more: object) -> str:
    """The command that goes on with a sweep, or confirms it, where and how it was being run.

    Args:
        verb: ``"resume"`` or ``"confirm"``.
        name: Name of the sweep.
        options: Those of the run; what is as usual is not spelled out.
        more: Other options that the command has, by name.

    >>> said = RunOptions(executor="ray", address="auto", workers=8, tracking=False, patience=20)
    >>> going_on("resume", "bike", said, trials=128).split("bike ")[1]
    '--workers 8 --executor ray --address auto --no-tracking --patience 20 --trials 128'
    >>> going_on("confirm", "bike", RunOptions(executor="inline", workers=0)).split("bike ")[1]
    '--executor inline'
    """
    usual = RunOptions()
    said = {each: getattr(options, each) for each in _SAID_AGAIN}
    said = {each: value for each, value in said.items() if value != getattr(usual, each)}
    if options.executor == "inline":
        said.pop("workers", None)  # it has none, and the options say so once checked
    if options.tracking is False:
        said["no_tracking"] = True
    if verb == "resume" and options.patience is not None:
        said["patience"] = options.patience
        if options.min_growth != usual.min_growth:
            said["min_growth"] = options.min_growth
    return command(verb, name, options.root, **said, **more)
