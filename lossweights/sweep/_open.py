"""Opening the sweep folder: a new one, or one that is gone on with."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossweights.base.errors import StoreError
from lossweights.results.constants import write_constants
from lossweights.results.folder import read_manifest
from lossweights.store import Store
from lossweights.store.manifest import check_same, make_manifest
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._location import module_of
from lossweights.sweep._options import RunOptions
from lossweights.sweep.prepared import Prepared
from lossweights.tracking import without_password

log = logging.getLogger("lossweights")

LEAST_FREE_BYTES = 64 << 20  # on the disk, before a sweep is begun


def open_store(sweep: Declaration, prepared: Prepared, name: str, options: RunOptions) -> Store:
    """The sweep folder, held by this process alone.

    Raises:
        SweepExists: It is there, and is not to be gone on with.
        SweepNotFound: It is not there, and was to be gone on with.
        SweepLocked: Another process drives the sweep.
        SweepChanged: The sweep is not the one that was started.
        StoreError: The folder cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    manifest = make_manifest(
        prepared.description,
        name=name,
        space=sweep.space,
        objectives=sweep.objectives,
        baselines=sweep.baselines,
        scales=prepared.scales,
        baseline=prepared.baseline,
        seed=sweep.seed,
        script=None if options.script is None else str(options.script.resolve()),
        module=None if options.script is None else module_of(options.script),
        created=now,
        shown=prepared.shown,
        trials=options.trials,
        tracking=without_password(options.tracking) if isinstance(options.tracking, str) else None,
    )
    store = _held(sweep, manifest, name, options)
    if prepared.constants:
        write_constants(store.folder, prepared.constants)
    return store


def _held(sweep: Declaration, manifest: Mapping[str, Any], name: str, options: RunOptions) -> Store:
    """The folder made anew, or reopened and its manifest brought up to date."""
    if not options.resume:
        return Store.create(options.root, manifest, sweep.space)
    old = read_manifest(options.root, name)
    changes = check_same(old, manifest, options.accept_change)
    store = Store.reopen(options.root, name, sweep.space)
    if changes:
        log.warning("going on with changes in %s", ", ".join(c["field"] for c in changes))
        accepted = [
            {**change, "at": manifest["created"], "trials": store.places} for change in changes
        ]
        history = [*old.get("accepted", []), *accepted]
        store.change_manifest({**manifest, "created": old["created"], "accepted": history})
    elif options.trials != old.get("trials"):
        store.change_manifest({**old, "trials": options.trials})
    return store


def refuse_full_disk(root: Path) -> None:
    """Refuse to begin where there is no room for results.

    Raises:
        StoreError: The disk of the root is nearly full.
    """
    there = next(p for p in (root.resolve(), *root.resolve().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise StoreError(
            f"Expected at least {LEAST_FREE_BYTES >> 20} MB free for results in {there}. Found "
            f"{free >> 20} MB. Make room, or choose another disk with --root."
        )
