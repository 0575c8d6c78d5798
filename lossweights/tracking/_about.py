"""What MLflow is told of a sweep beside its numbers, from the manifest: `sync` has no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

DIGEST = 16  # characters of the data's fingerprint; MLflow takes 36


@dataclass(frozen=True)
class About:
    """What a sweep is, as far as its record needs it.

    Attributes:
        objectives: Names of the objectives, whose charts come first.
        fixed: Terms whose weight is the same in every trial; it is a parameter of the parent alone.
        scales: Reference magnitude of each term that sampled weights were divided by, or ``None``.
        baseline: Magnitude of each term for the mean of the targets, or ``None``.
        script: Path of the launching script, or ``None``.
        made: By whom it was launched, of which commit its script was, how many rows its data have:
            ``user``, ``commit``, ``rows``.
        data: Hash of all values of the data, or ``None``.
    """

    objectives: tuple[str, ...] = ()
    fixed: frozenset[str] = frozenset()
    scales: Mapping[str, float] | None = None
    baseline: Mapping[str, float] | None = None
    script: str | None = None
    made: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """What the manifest of a sweep says; of earlier versions, as much as it does."""
        space, data, made = (manifest.get(key) for key in ("space", "data", "made"))
        parts = space if isinstance(space, Mapping) else {}
        return cls(
            objectives=tuple(manifest["objectives"]),
            fixed=frozenset(
                name
                for name, part in parts.items()
                if isinstance(part, Mapping) and part.get("kind") == "Fixed"
            ),
            scales=manifest.get("scales"),
            baseline=manifest.get("baseline"),
            script=manifest.get("script"),
            made=made if isinstance(made, Mapping) else {},
            data=data if isinstance(data, str) else None,
        )

    @property
    def params(self) -> dict[str, float]:
        """The scales, as parameters of the parent run."""
        return {f"scale/{name}": scale for name, scale in (self.scales or {}).items()}

    @property
    def tags(self) -> dict[str, str]:
        """Source, user and commit by the names by which MLflow's UI knows them."""
        named = {
            "mlflow.source.name": self.script,
            "mlflow.source.type": None if self.script is None else "LOCAL",
            "mlflow.source.git.commit": self.made.get("commit"),
            "lossweights.uncommitted": self.made.get("uncommitted"),
            "mlflow.user": self.made.get("user"),
        }
        return {key: str(value) for key, value in named.items() if value}

    def dataset(self, name: str) -> Any:
        """The data as an input of a run; their values stay where they are."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {"tags": {key: v for key, v in self.tags.items() if "source" in key}}
        dataset = Dataset(
            name=name,
            digest=str(self.data)[:DIGEST],
            source_type="code",  # of load_data
            source=json.dumps(source),
            profile=json.dumps({"rows": self.made["rows"]} if "rows" in self.made else {}),
        )
        return DatasetInput(dataset, [InputTag("mlflow.data.context", "train, val, test")])

    def varied(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Of the weights of a trial those that are not the same in all, relative to the scales."""
        scales = self.scales or {}
        return {
            name: weight * scales.get(name, 1.0)
            for name, weight in weights.items()
            if name not in self.fixed
        }
