"""The manifest: what a sweep sweeps, spelled out, so that a resumed sweep is the same sweep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lossweights.base.errors import SweepChanged, TermError
from lossweights.base.sampled import Value
from lossweights.base.versions import versions
from lossweights.results.folder import FORMAT, VERSION, Asked
from lossweights.results.proof import MIN_EFFECT
from lossweights.search.aims import Aims
from lossweights.search.samplers import BEFORE, without_arguments
from lossweights.search.space import Space

# What may differ on resume without a word: where it ran, when and how, not what it computes; the
# baseline follows from data and terms.
_RUN = (
    *("script", "module", "root", "created", "shown", "trials", "tracking", "accepted", "choice"),
    "raced",  # what follows from it is compared
    "confirm",
    "made",
)
_FREE = (*_RUN, "baseline")
_SETTINGS = "keras"
_CONTEST = "contest"
# What no flag accepts: the study on disk could not be gone on with.
_FIRM = ("format", "version", "name", "objectives", "space")
_NOT_THERE = object()  # which is another thing than a field that is null


def make_manifest(
    parts: Mapping[str, Any],
    *,
    name: str,
    space: Space,
    objectives: Mapping[str, str],
    baselines: Sequence[Mapping[str, Value]],
    contest: Mapping[str, Any] | None = None,
    raced: str | None = None,
    scales: Mapping[str, float] | None,
    units: Mapping[str, Mapping[str, float]] | None = None,
    seed: int,
    script: str | None,
    created: str,
    shown: Mapping[str, Any],
    trials: int,
    tracking: str | None,
    module: str | None = None,
    root: str | None = None,
    baseline: Mapping[str, float] | None = None,
    aims: Aims | None = None,
    prune: Mapping[str, Any] | None = None,
    warm: Mapping[str, Any] | None = None,
    sampler: str = BEFORE,
    min_effect: float = MIN_EFFECT,
    made: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything that decides the numbers of a sweep, as plain JSON values.

    Args:
        parts: What the sweep says of its problem: terms, metrics, recipe, code, data.
        name: Name of the sweep.
        space: What is sampled.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        baselines: Parameter values that are tried first.
        contest: What the sweep has to beat, as `lossweights.search.baselines.Baselines` says it.
        raced: What was asked for in place of what the sweep declares, or ``None``.
        scales: What sampled weights are divided by, or ``None``.
        units: What options of terms are multiplied by; a field if there are any.
        seed: Seed of sampler and trainings.
        script: Path of the launching script, for ``lossweights resume``.
        created: When, in words; it tells this sweep from an earlier one of its name.
        shown: What the tracker shows of the sweep.
        trials: How many weight sets are to be tried, for ``lossweights resume``.
        tracking: Address of an MLflow server, or ``None`` for the database below the root.
        module: Name of the module that the script was run as, or ``None``.
        root: Whole path of the root, from which the script is found where both were moved.
        baseline: Magnitude of each term for the mean of the targets, or ``None``.
        aims: Wish and constraints of the sweep; a field of those that were declared.
        prune: What decides which trials stop early, or ``None``.
        warm: Name of an earlier sweep, and the parameter values of its that are tried first.
        sampler: What samples, as `describe_sampler` names it.
        min_effect: The least gain that counts; a field if it is not the usual one.
        made: By whom it was launched, and of what; the tracker shows it.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "created": created,
        "script": script,
        **({} if module is None else {"module": module}),
        "root": root,
        **({} if made is None else {"made": dict(made)}),
        "shown": {key: str(value) for key, value in shown.items()},
        "trials": trials,
        "tracking": tracking,
        "objectives": dict(objectives),
        **(Aims() if aims is None else aims).to_json(),
        "space": space.describe(),
        "baselines": [dict(parameters) for parameters in baselines],
        "contest": dict(contest or {}),
        **({} if raced is None else {"raced": raced}),
        "scales": None if scales is None else dict(scales),
        **({"units": {name: dict(each) for name, each in units.items()}} if units else {}),
        "baseline": None if baseline is None else dict(baseline),
        "seed": seed,
        **({} if prune is None else {"prune": dict(prune)}),
        **({} if warm is None else {"warm": dict(warm)}),
        "sampler": sampler,
        **({} if min_effect == MIN_EFFECT else {"min_effect": min_effect}),
        **parts,
        "versions": versions(),
    }


def first_places(manifest: Mapping[str, Any]) -> list[Asked]:
    """What is tried before anything is sampled, by place: of which kind, and as what baseline.

    Earlier versions called all of it a baseline but what came from another sweep.
    """
    warm = [dict(each) for each in dict(manifest.get("warm", {})).get("parameters", ())]
    rest = [dict(each) for each in manifest.get("baselines", ()) if dict(each) not in warm]
    kinds = ["warm"] * len(warm) + ["start" if _CONTEST in manifest else "baseline"] * len(rest)
    named = _inside(manifest)
    places = []
    for place, (parameters, kind) in enumerate(zip([*warm, *rest], kinds, strict=True)):
        names = [name for name, inside in named.items() if inside == parameters]
        name = names[0] if names else None
        places.append(Asked(place, parameters, "baseline" if name else kind, baseline=name))
    return places


def _inside(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter values of the baselines inside the space, by name."""
    said = dict(manifest.get(_CONTEST, {}))
    return {name: each["parameters"] for name, each in said.items() if "parameters" in each}


def check_same(
    old: Mapping[str, Any], new: Mapping[str, Any], accept: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Refuse to go on with a sweep whose manifest has changed, unless the change is accepted.

    Only the major version of a package counts: results do not change within one on purpose.

    Args:
        old: The manifest on disk.
        new: The manifest as it would be written now.
        accept: Fields whose changes are accepted, such as ``"code"`` or ``"code.build_model"``.

    Returns:
        The accepted changes: field, old and new value of each.

    Raises:
        SweepChanged: Names each field with its old and new value.
    """
    # Earlier versions wrote no settings, and had no contest.
    free = (*_FREE, *(field for field in (_SETTINGS, _CONTEST) if field not in old))
    if _CONTEST not in old and "baselines" in new:
        new = {**new, "baselines": _without_ablations(old, new)}
    if "(" not in str(old.get("sampler")):  # earlier versions wrote no arguments
        new = {**new, "sampler": without_arguments(str(new.get("sampler", BEFORE)))}
        if "sampler" in old:
            old = {**old, "sampler": str(old["sampler"]).removeprefix("__main__.")}
    before, after = (dict(_flat(_comparable(each, free))) for each in (old, new))
    changed: list[dict[str, Any]] = [
        {"field": key, "was": before.get(key), "is": after.get(key)}
        for key in {**before, **after}
        if before.get(key, _NOT_THERE) != after.get(key, _NOT_THERE)
        and not _is_spelled_out_by_one(key, before, after)
    ]
    refused = [change for change in changed if not _accepted(change["field"], accept)]
    if refused:
        raise SweepChanged(_message(old.get("name"), refused))
    return changed


def _without_ablations(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Any]:
    """What is tried first, less what an earlier version did not leave out by itself."""
    left_out = [p for name, p in _inside(new).items() if name.startswith("without:")]
    before = old.get("baselines", ())
    return [each for each in new.get("baselines", ()) if each in before or each not in left_out]


def _is_spelled_out_by_one(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a field is an argument of a term or metric that only one of two versions wrote down.

    Which arguments are written of a class of the user's own follows from the class, and its code is
    compared; earlier versions wrote fewer.
    """
    found = re.match(r"((?:code\.terms|metrics)\.[^.]+\.).", key)
    if found is None or key.endswith((".source", ".class")):
        return False
    both_have_it = all(any(k.startswith(found[1]) for k in side) for side in (before, after))
    return both_have_it and (key in before) != (key in after)


def _accepted(field: str, accept: Sequence[str]) -> bool:
    if field.split(".")[0] in _FIRM:
        return False
    return any(field == name or field.startswith(f"{name}.") for name in accept)


def _message(name: object, refused: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"  {c['field']}: was {c['was']!r}, is now {c['is']!r}" for c in refused]
    firm = [c["field"] for c in refused if c["field"].split(".")[0] in _FIRM]
    fields = sorted({str(c["field"]).split(".")[0] for c in refused})
    flags = " ".join(f"--accept-change {field}" for field in fields)
    way = (
        "Undo them, or start a new sweep under another name: --name NAME."
        if firm
        else f"Undo them, start a new sweep under another name (--name NAME), or go on all the "
        f"same, which is recorded: {flags}."
    )
    if _SETTINGS in fields:
        way = (
            f"`lossweights resume` does not see what a script sets below "
            f"`if __name__ == '__main__':`; set Keras at its top level. {way}"
        )
    return "\n".join(
        [f"Expected the sweep {name!r} as it was started. Found changes:", *lines, way]
    )


def _comparable(manifest: Mapping[str, Any], free: Sequence[str]) -> dict[str, Any]:
    kept = {key: value for key, value in manifest.items() if key not in free}
    kept.setdefault("sampler", BEFORE)  # earlier versions had no other
    versions = kept.get("versions")
    if isinstance(versions, Mapping):
        kept["versions"] = {k: str(v).split(".")[0] for k, v in versions.items()}
    terms = kept.get("terms")
    if isinstance(terms, Mapping):
        kept["terms"] = {name: _as_now(term) for name, term in terms.items()}
    return kept


def _as_now(term: Any) -> Any:
    """The description of a term as it is written now: there was more than one for some of Keras."""
    if not isinstance(term, Mapping) or not str(term.get("class")).startswith("keras:"):
        return term
    from lossweights.terms import describe, from_description  # Keras, for those few alone

    try:
        return describe(from_description(term))
    except TermError:
        return term


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
