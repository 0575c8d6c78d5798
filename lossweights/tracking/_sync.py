"""``lossweights sync``: MLflow's record of a sweep, completed from the sweep folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lossweights.base.errors import TrackingError
from lossweights.results.contest import read_contest
from lossweights.results.folder import list_results, read_manifest, sweep_folder
from lossweights.results.locks import exclusive_lock
from lossweights.tracking._about import About
from lossweights.tracking._ending import Ending
from lossweights.tracking._place import with_password
from lossweights.tracking._tracker import Tracker


def sync_sweep(root: Path, name: str, uri: str | None = None, *, register: bool = False) -> str:
    """Record what is missing in MLflow, and nothing twice; a sentence on what is there now.

    Args:
        root: Folder of the sweeps.
        name: Name of the sweep.
        uri: Where to record; ``None`` for where the sweep recorded.
        register: Register the winner there, if it is a server; below the root it is.

    Raises:
        SweepNotFound: There is no sweep of this name.
        SweepLocked: The sweep is running, and records by itself.
        StoreError: A file of the sweep is damaged.
        TrackingError: MLflow cannot be written.
    """
    manifest, folder = read_manifest(root, name), sweep_folder(root, name)
    with exclusive_lock(folder / "lock", f"The sweep {name!r}"):
        results, ending = list_results(folder), Ending.read(folder)
        created, uri = str(manifest["created"]), uri or with_password(manifest.get("tracking"))
        tracker = Tracker(root, name, created, uri, About.of_manifest(manifest))
        tracker.start(manifest.get("shown", {}))
        for finished in results.values():
            tracker.trial_ended(finished)
        contest = read_contest(folder)
        for outing in contest.outings:
            tracker.outing_ended(contest.entered(outing), outing)
        tracker.finish(replace(ending, register=ending.register or register))
    if tracker.error is not None:
        raise TrackingError(
            f"Expected to record {len(results)} trials in {tracker.shown_uri}. Found: "
            f"{tracker.error}. {len(tracker.unwritten)} of them are missing. Try again later."
        )
    return f"{len(results)} trials of {name} are in {tracker.shown_uri}"
