"""How a sweep ended, as its parent run in MLflow shows it; kept in the sweep folder for `sync`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json, parse_json
from lossweights.tracking._points import loggable

STOPPED = "Stopped before the end; it can be resumed."


@dataclass(frozen=True)
class Ending:
    """How a sweep ended.

    Attributes:
        status: MLflow's word for it: ``"FINISHED"``, ``"FAILED"`` or ``"KILLED"``.
        note: A sentence for people.
        artifacts: Files that go with it, and folders of files.
        metrics: Numbers that go with it.
        tags: Tags that go with it.
        model: Folder with the winner as MLflow saves models, or ``None``.
        register: Whether it is registered on a server, too.
    """

    status: str
    note: str
    artifacts: Sequence[Path] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    model: Path | None = None
    register: bool = False

    def save(self, folder: Path) -> None:
        """Keep it in a sweep folder.

        Raises:
            StoreError: It cannot be written.
        """
        value = asdict(self)
        value["artifacts"] = [_from(_root(folder), path) for path in self.artifacts]
        value["model"] = None if self.model is None else _from(_root(folder), self.model)
        value["metrics"] = {k: v for k, v in self.metrics.items() if loggable(v)}
        write_atomic(folder / "ending.json", dump_json(value))

    @classmethod
    def read(cls, folder: Path) -> Ending:
        """The ending kept in a sweep folder; without one the driver was killed.

        Raises:
            StoreError: The file is damaged.
        """
        path = folder / "ending.json"
        try:
            value = parse_json(path.read_bytes())
            model = value.get("model")  # earlier versions logged none
            return cls(
                status=str(value["status"]),
                note=str(value["note"]),
                artifacts=[_root(folder) / each for each in value["artifacts"]],
                metrics={str(k): float(v) for k, v in value["metrics"].items()},
                tags={str(k): str(v) for k, v in value["tags"].items()},
                model=None if model is None else _root(folder) / str(model),
                register=value.get("register") is True,
            )
        except FileNotFoundError:
            return cls("KILLED", STOPPED)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"Expected how the sweep ended in {path}. Found: {error}.") from error


def _root(folder: Path) -> Path:
    """The folder of the sweeps."""
    return folder.resolve().parents[1]


def _from(root: Path, path: Path) -> str:
    """A path relative to the root if it is below, so that the root may be moved."""
    whole = path.resolve()
    return (whole.relative_to(root) if whole.is_relative_to(root) else whole).as_posix()
