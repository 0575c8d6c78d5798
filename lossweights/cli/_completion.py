"""What the shell completes: names of sweeps and picks, read from the root that the line names.

Completing answers within a keystroke: nothing but the manifests is read, and nothing of it may
print or fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import typer

from lossweights.base.commands import DEFAULT_ROOT

Found = list[tuple[str, str]]  # what is completed, each with a word on it


def _never_failing(find: Callable[[typer.Context], Found]) -> Callable[..., Found]:
    @wraps(find)
    def complete(ctx: typer.Context, incomplete: str) -> Found:
        try:
            return [each for each in find(ctx) if each[0].startswith(incomplete)]
        except Exception:  # a shell that asks for words has no use for an error
            return []

    # Typer hands over what the annotations ask for.
    complete.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    del complete.__wrapped__
    return complete


@_never_failing
def complete_sweep(ctx: typer.Context) -> Found:
    """The sweeps below the root, each with its objectives."""
    from lossweights.results.folder import list_sweeps, read_manifest

    root = _root(ctx)
    return [
        (name, ", ".join(read_manifest(root, name)["objectives"])) for name in list_sweeps(root)
    ]


@_never_failing
def complete_pick(ctx: typer.Context) -> Found:
    """The picks that a sweep has without conditions, the fixed baselines among them."""
    from lossweights.results.folder import read_manifest

    found = [("knee", "the best compromise")]
    manifest = read_manifest(_root(ctx), ctx.params.get("name") or _named(_root(ctx)))
    goals = {"minimize": "min", "maximize": "max"}
    found += [
        (f"{goals[goal]}:{name}", f"best {name}") for name, goal in manifest["objectives"].items()
    ]
    if manifest.get("wish"):
        found.append(("wish", "nearest to the sweep's wish"))
    found += [
        (f"one-se:{name}", f"simplest within a standard error of the best {name}")
        for name in manifest["objectives"]
    ]
    contest = manifest.get("contest") or {}
    return [*found, *((name, "a baseline") for name, of in contest.items() if "method" not in of)]


def _named(root: Path) -> str:
    """The sweep on the line, of which an option that has no value yet is all that is parsed."""
    from lossweights.results.folder import list_sweeps

    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    known = list_sweeps(root)
    return next(word for word in line.split() if word in known)


def _root(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("root") or DEFAULT_ROOT)
