"""``lossweights remove``: a sweep deleted with its weight sets and what MLflow has of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lossweights.base.errors import StoreError, SweepLocked
from lossweights.results.folder import read_manifest, sweep_folder
from lossweights.results.status import is_running
from lossweights.results.weights import model_path, promoted_path
from lossweights.store import Claim
from lossweights.tracking import Record, find_record, with_password


@dataclass(frozen=True)
class Removal:
    """What removing a sweep would delete; nothing is deleted before `carry_out`.

    Attributes:
        root: Folder of the sweeps.
        name: Name of the sweep.
        trials: How many trials have ended.
        weight_sets: Files of its weight sets.
        records: What MLflow has of it, at each address.
    """

    root: Path
    name: str
    trials: int
    weight_sets: tuple[Path, ...]
    records: tuple[Record, ...]

    @property
    def extent(self) -> str:
        """What it is about: ``64 trials, 3 weight sets, 65 MLflow runs``."""
        counts = [
            (self.trials, "trial"),
            (len(self.weight_sets), "weight set"),
            (sum(record.runs for record in self.records), "MLflow run"),
            (sum(record.versions for record in self.records), "model version"),
        ]
        told = counts[:3] if counts[3][0] == 0 else counts
        return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in told)

    def carry_out(self) -> str:
        """Delete all of it, what is in MLflow first, the manifest last; a sentence on what is gone.

        Raises:
            SweepLocked: The sweep is running.
            TrackingError: MLflow cannot be written: the folder and the weight sets are kept.
            StoreError: A file cannot be removed: its runs in MLflow are gone already.
        """
        claim = Claim(sweep_folder(self.root, self.name), self.name)
        try:
            for record in self.records:
                record.remove()
            try:
                promoted_path(self.root, self.name).unlink(missing_ok=True)
                weights = model_path(self.root, self.name).parent
                if weights.exists():
                    shutil.rmtree(weights)
                claim.remove()
            except OSError as error:
                raise StoreError(
                    f"Expected to delete the files of the sweep {self.name!r}. Found: {error}. "
                    f"What MLflow had of it is gone, these files are not. Change their rights, "
                    f"then do it again."
                ) from error
        finally:
            claim.close()
        return f"Deleted the sweep {self.name}: {self.extent}."


def find_removal(name: str, root: str | Path = "mlruns", tracking: bool | str = True) -> Removal:
    """What removing a sweep would delete: its folder, its weight sets, and what MLflow has of it.

    Args:
        name: Name of the sweep.
        root: Folder of the sweeps.
        tracking: ``True`` for the store below the root and the server that the sweep recorded to;
            the address of another one; ``False`` leaves alone what MLflow has.

    Raises:
        SweepNotFound: There is no sweep of this name.
        SweepLocked: It is running.
        TrackingError: MLflow cannot be read; says how to go on.
    """
    root = Path(root)
    manifest, folder = read_manifest(root, name), sweep_folder(root, name)
    if is_running(folder):
        raise SweepLocked(
            f"Expected a sweep that nobody drives. Found that {name!r} is running. Stop it first: "
            f"its trials are still being written."
        )
    records: list[Record] = []
    if tracking is not False:
        said = tracking if isinstance(tracking, str) else with_password(manifest.get("tracking"))
        for uri in dict.fromkeys((None, said)):
            record = find_record(root, name, str(manifest["created"]), uri)
            # A server may well read the database below the root: then both have the same runs.
            if record is not None and not any(record.ids <= other.ids for other in records):
                records.append(record)
    sets = [promoted_path(root, name), *model_path(root, name).parent.glob("*.json")]
    return Removal(
        root,
        name,
        trials=sum(1 for _ in (folder / "trials").glob("*.json")),
        weight_sets=tuple(path for path in sets if path.exists()),
        records=tuple(records),
    )


def remove_sweep(name: str, root: str | Path = "mlruns", tracking: bool | str = True) -> str:
    """Delete a sweep with its weight sets and its runs in MLflow, without asking.

    Its name can be used again afterwards. Weight sets that were exported elsewhere stay, and so
    does whatever others have in its MLflow experiment.

    >>> from lossweights.sweep.remove import remove_sweep
    >>> remove_sweep("bike-demand")                                         # doctest: +SKIP
    'Deleted the sweep bike-demand: 64 trials, 3 weight sets, 65 MLflow runs.'

    Args:
        name: As for `find_removal`.
        root: As for `find_removal`.
        tracking: As for `find_removal`.

    Raises:
        LossweightsError: As `find_removal` and `Removal.carry_out` raise.
    """
    return find_removal(name, root, tracking).carry_out()
