"""Opening the sweep folder: a new one, or one that is gone on with."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossweights.base.errors import RecipeError, StoreError
from lossweights.base.notebook import tell
from lossweights.base.provenance import commit_of, user_name
from lossweights.results.constants import write_constants
from lossweights.results.folder import read_manifest
from lossweights.search.rungs import Pruning
from lossweights.search.samplers import BEFORE, DEFAULT, NAMES, SamplerLike, describe_sampler
from lossweights.store import Store
from lossweights.store.manifest import check_same, make_manifest
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._location import module_of
from lossweights.sweep._options import RunOptions
from lossweights.sweep._warm import warm_start
from lossweights.sweep.prepared import Prepared
from lossweights.sweep.raced import raced_in
from lossweights.tracking import place_of_new, place_of_resumed, without_password

log = logging.getLogger("lossweights")

LEAST_FREE_BYTES = 64 << 20  # on the disk, before a sweep is begun


def open_store(
    sweep: Declaration,
    prepared: Prepared,
    name: str,
    options: RunOptions,
    pruning: Pruning | None = None,
) -> Store:
    """The sweep folder, held by this process alone.

    Args:
        sweep: The sweep.
        prepared: The sweep, ready to run.
        name: Its name in this run.
        options: The options of the run.
        pruning: What decides which trials stop early, if anything does.

    Raises:
        SweepExists: It is there, and is not to be gone on with.
        SweepNotFound: It is not there, and was to be gone on with.
        SweepLocked: Another process drives the sweep.
        SweepChanged: The sweep is not the one that was started.
        StoreError: The folder cannot be written.
        RecipeError: Nothing of the sweep that it is to start from can be tried, or what was asked
            for names no baselines.
        WeightError: The weights of a baseline are none once they are divided by the scales.
    """
    old = read_manifest(options.root, name) if options.resume else None
    sampler, raced = _sampler_of(sweep, old), raced_in(sweep, options, old)
    if prepared.scales is not None:
        raced.baselines.check_scales(sweep.space, prepared.scales)
    if old is not None:
        warm = old.get("warm")
        if options.warm_start not in (None, (warm or {}).get("start")):
            raise RecipeError(
                f"Expected no other warm start than that of the sweep {name!r}, which has begun "
                f"{'from ' + repr(warm['start']) if warm else 'without one'}. Found "
                f"{options.warm_start!r}. Leave out warm_start, or begin a new sweep."
            )
    elif options.warm_start is not None:
        terms = prepared.description.get("terms") or {}
        warm = warm_start(
            options.warm_start, options.root, sweep.space, terms, options.trials, prepared.scales
        )
    else:
        warm = None
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    manifest = make_manifest(
        prepared.description,
        name=name,
        space=sweep.space,
        objectives=sweep.objectives,
        aims=sweep.aims,
        baselines=raced.first,
        contest=raced.baselines.to_json(sweep.space),
        raced=raced.asked,
        scales=prepared.scales,
        units=prepared.units,
        baseline=prepared.baseline,
        seed=sweep.seed,
        script=None if options.script is None else str(options.script.resolve()),
        module=None if options.script is None else module_of(options.script),
        created=now,
        shown=prepared.shown,
        trials=options.trials,
        tracking=without_password(options.tracking) if isinstance(options.tracking, str) else None,
        root=str(options.root.resolve()),
        prune=None if pruning is None else pruning.describe(),
        warm=warm,
        sampler=describe_sampler(sampler),
        min_effect=sweep.min_effect,
        made=_made(options.script, prepared),
    )
    store = _held(sweep, sampler, manifest, old, options)
    if prepared.constants:
        write_constants(store.folder, prepared.constants)
    return store


def _made(script: Path | None, prepared: Prepared) -> dict[str, str]:
    """By whom a sweep is launched, of which commit its script is, and how many rows its data have.

    MLflow shows it.
    """
    commit, is_committed = (None, True) if script is None else commit_of(script)
    found = {
        "user": user_name(),
        "commit": commit,
        "uncommitted": None if commit is None or is_committed else "the script",
        "rows": prepared.rows or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _sampler_of(sweep: Declaration, old: Mapping[str, Any] | None) -> SamplerLike:
    """What samples: as declared, or as it was in the sweep that is gone on with, or the default."""
    if sweep.sampler is not None:
        return sweep.sampler
    before = DEFAULT if old is None else old.get("sampler", BEFORE)
    return before if before in NAMES else DEFAULT


def _held(
    sweep: Declaration,
    sampler: SamplerLike,
    manifest: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    options: RunOptions,
) -> Store:
    """The folder made anew, or reopened and its manifest brought up to date."""
    if old is None:
        if options.confirm is not None:
            manifest = {**manifest, "confirm": options.confirm}
        return Store.create(options.root, manifest, sweep.space, sampler)
    changes = check_same(old, manifest, options.accept_change)
    store = Store.reopen(options.root, str(manifest["name"]), sweep.space, sampler)
    kept = _kept(old, manifest, options)
    if changes:
        log.warning("going on with changes in %s", ", ".join(c["field"] for c in changes))
        accepted = [
            {**change, "at": manifest["created"], "trials": store.places} for change in changes
        ]
        history = [*old.get("accepted", []), *accepted]
        store.change_manifest({**manifest, **kept, "accepted": history})
    elif (now := {**old, "trials": options.trials, **kept}) != old:
        store.change_manifest(now)
    return store


def _kept(old: Mapping[str, Any], new: Mapping[str, Any], options: RunOptions) -> dict[str, Any]:
    """What a resumed sweep says of when it began, where it is recorded, and where its script is.

    And from how many seeds it is to be confirmed, if anybody said so.
    """
    launched = old if options.script is None else new
    once = options.only_confirm or options.confirm is None
    confirm = old.get("confirm") if once else options.confirm
    return {
        "created": old["created"],
        "tracking": (old if options.tracking is False else new).get("tracking"),
        **({} if confirm is None else {"confirm": confirm}),
        **{key: launched.get(key) for key in ("script", "root", "module")},
        **({"made": launched["made"]} if "made" in launched else {}),
    }


def placed(name: str, options: RunOptions) -> RunOptions:
    """The options with where the sweep is recorded, which is the first line that it prints.

    Raises:
        SweepNotFound: It is to be gone on with, and is not there.
        RecipeError: It cannot be recorded there.
    """
    if options.resume:
        recorded = read_manifest(options.root, name).get("tracking")
        place = place_of_resumed(options.tracking, options.root, recorded)
    else:
        place = place_of_new(options.tracking, options.root)
    if not options.quiet:
        tell(place.sentence)
    return replace(options, tracking=place.tracking)


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
