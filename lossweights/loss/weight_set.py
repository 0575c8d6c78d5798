"""The weight set: the weights of a loss, frozen, with where they came from, kept as strict JSON."""

from __future__ import annotations

import math
import stat
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import InvalidName, WeightError, WeightSetError
from lossweights.base.files import write_atomic
from lossweights.base.names import check_name
from lossweights.base.numbers import as_number
from lossweights.base.shown import call, paragraph, table
from lossweights.base.strict_json import dump_json, parse_json
from lossweights.loss._weight_file import (
    FORMAT,
    MAX_BYTES,
    MAX_DEPTH,
    VERSION,
    checked_fields,
    checksum,
)
from lossweights.loss.provenance import Provenance
from lossweights.loss.ramps import ramps_of, tell_of_ramps
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY, check_weights

if TYPE_CHECKING:
    from lossweights.loss.combined import CombinedLoss


@dataclass(frozen=True, repr=False)
class WeightSet:
    """A full set of weights with where it came from, ready for ``model.compile``.

    Attributes:
        weights: What multiplies each term: paste these into any loss.
        name: Name of the set, such as ``"bike-demand@knee"``; ``None`` for one made by hand.
        scales: Reference magnitude of each term that the search divided by, or ``None``.
        terms: How to build each term: its class and arguments, or ``None`` for a term that only
            code can describe (a lambda, a function, a class of your own).
        metrics: What the trial measured on validation data.
        origin: Sweep, trial number, pick and seed, as far as there are any.
        chosen: What the sweep chose beside the weights, such as ``{"hyper/learning_rate": 1e-3}``,
            under the names of its tables: `docs/choices.md` has them.
        provenance: What is known of the training behind it; see
            `lossweights.loss.provenance.Provenance`.
        home: Folder of the file that it was read from, or ``None``; sets from different folders may
            be equal.

    Args:
        recorded: Whether the weights are those of a training that was. Earlier versions trained
            with weights that float32 takes for 0; their records are kept, and cannot be trained
            with again.

    Raises:
        WeightError: Weights, scales or metrics are not numbers of the kind they must be, or scales
            or terms do not match the weights.
        InvalidName: The name of a term is not a plain one.

    >>> best = WeightSet({"mse": 1.0, "under": 0.5})
    >>> WeightSet.parse(best.to_json().encode()) == best
    True
    """

    weights: Mapping[str, float]
    name: str | None = None
    scales: Mapping[str, float] | None = None
    terms: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, str | int | float] = field(default_factory=dict)
    _: KW_ONLY
    chosen: Mapping[str, str | int | float] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    home: Path | None = field(default=None, compare=False)
    recorded: InitVar[bool] = False

    def __post_init__(self, recorded: bool) -> None:
        for term in self.weights if isinstance(self.weights, Mapping) else ():
            check_name(term, "term")
        smallest = math.ulp(0.0) if recorded else FLOAT32_TINY
        weights = check_weights(self.weights, smallest=smallest)
        if self.scales is not None:
            scales = _checked_scales(self.scales, list(weights))
            object.__setattr__(self, "scales", MappingProxyType(scales))
        if not set(self.terms) <= set(weights):
            raise WeightError(
                f"Expected descriptions of the terms {list(weights)}. Found {list(self.terms)}. "
                f"Use the names of the weights."
            )
        metrics = {name: as_number(value) for name, value in self.metrics.items()}
        if not all(map(math.isfinite, metrics.values())):
            raise WeightError(
                f"Expected metrics that are finite numbers. Found {dict(self.metrics)}. "
                f"Leave out what could not be measured."
            )
        object.__setattr__(self, "weights", MappingProxyType(weights))
        object.__setattr__(self, "metrics", MappingProxyType(metrics))
        for name in ("terms", "origin", "chosen"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __repr__(self) -> str:
        name = {} if self.name is None else {"name": self.name}
        return call("WeightSet", dict(self.weights), **name)

    def _repr_html_(self) -> str:
        """A row for each term, what was measured, and what to know of the set."""
        relative = {} if self.scales is None else self.relative
        rows = [
            [term, f"{weight:.6g}", *([f"{relative[term]:.4g}"] if relative else [])]
            for term, weight in self.weights.items()
        ]
        headings = ["term", "weight", *(["relative to the data"] if relative else [])]
        measured = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        title = ": ".join(filter(None, [self.name or "weights", measured]))
        notes = [str(self.origin[key]) for key in ("note", "warning") if key in self.origin]
        return f"{paragraph(title)}{table(headings, rows)}{''.join(map(paragraph, notes))}"

    @property
    def relative(self) -> dict[str, float]:
        """The dimensionless weights: each weight times the reference magnitude of its term."""
        scales = self.scales or {}
        return {name: weight * scales.get(name, 1.0) for name, weight in self.weights.items()}

    @property
    def ramps(self) -> dict[str, dict[str, Any]]:
        """How weights change to those here, by term, for ``lw.adaptive.ramps``; mostly none."""
        return ramps_of(self)

    def loss(self, terms: Mapping[str, Any] | None = None) -> CombinedLoss:
        """The combined loss of these weights, for ``model.compile(loss=...)``.

        Args:
            terms: The terms by name, for sets whose terms only code can describe. It must have
                the names of the weights. ``None`` rebuilds them from the set itself.

        Raises:
            WeightSetError: A term cannot be rebuilt from the set and ``terms`` does not give it.
            WeightError: A weight is so small that float32 takes it for 0, as in files of earlier
                versions, which trained without that term.
        """
        from lossweights.loss.combined import CombinedLoss

        return CombinedLoss(terms=self._terms(terms), weights=dict(self.weights))

    def rescale(
        self,
        y: Any,
        sample_weight: Any = None,
        *,
        output_shape: Any = None,
        terms: Mapping[str, Any] | None = None,
        keep_size: bool | None = None,
    ) -> WeightSet:
        """The set for new data or other units: the same relative weights, over new scales.

        What changed stands in the ``origin`` of the new set, under ``rescaled``.

        Args:
            y: Targets of the new training data, shape ``(n, ...)``; a dict for several outputs.
            sample_weight: Weights as given to ``fit``, or ``None``.
            output_shape: ``model.output_shape``, where predictions are not of the targets' shape.
            terms: As in `loss`.
            keep_size: Whether the scales are brought to a mean of 1, as for models that add losses
                by themselves. ``None`` does what the sweep did.

        Raises:
            WeightSetError: The set has no scales, or a term cannot be rebuilt.
            WeightError: A term has no scale on these targets.

        >>> squared = {"mse": {"class": "MeanSquaredError"}}
        >>> metres = WeightSet({"mse": 1.0}, scales={"mse": 1.0}, terms=squared)
        >>> feet = metres.rescale([[1.0], [5.0]])
        >>> feet.weights["mse"], feet.origin["rescaled"]
        (0.25, 'mse 1 to 0.25 (scale 1 to 4)')
        """
        from lossweights.loss._rescaled import rescaled

        return rescaled(self, self._terms(terms), y, sample_weight, output_shape, keep_size)

    def loss_weights(self) -> dict[str, float]:
        """The weight of each output, for ``model.compile(loss={...}, loss_weights=...)``.

        Raises:
            WeightSetError: Not every output has just one term: Keras weighs outputs, not terms.
        """
        outputs = {name: (self.terms.get(name) or {}).get("output") for name in self.weights}
        if None in outputs.values() or len(set(outputs.values())) < len(outputs):
            raise WeightSetError(
                f"Expected one term on each output of the model, as lw.terms.on('output', term) "
                f"names it. Found the outputs {outputs}. Use "
                f"model.compile(loss=weights.loss().by_output()), which knows terms."
            )
        return {str(outputs[name]): weight for name, weight in self.weights.items()}

    def compile(
        self,
        model: Any,
        optimizer: Any = None,
        *,
        terms: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Compile with the loss, and the optimizer set as it was swept; log what `ramps` need.

        Args:
            model: A Keras model, which is compiled in place.
            optimizer: ``None`` for that of the sweep, made again. A name is set as the sweep's, if
                that is of its class. An instance keeps its settings. What the sweep chose, such as
                the learning rate, counts in any case.
            terms: As in `loss`.
            **options: Further arguments of ``model.compile``.

        Raises:
            WeightSetError: The optimizer is code of the user's own, or the set has none.
        """
        from lossweights.loss._recipe import swept_optimizer
        from lossweights.terms import OnOutput

        tell_of_ramps(self)
        loss = self.loss(terms)
        of_outputs = any(isinstance(term, OnOutput) for term in loss.terms.values())
        by_output = loss.by_output(getattr(model, "output_names", None)) if of_outputs else loss
        model.compile(optimizer=swept_optimizer(self, optimizer), loss=by_output, **options)

    def model(
        self, build_model: Any = None, *, custom_objects: Mapping[str, Any] | None = None
    ) -> Any:
        """The trained model of the set, not compiled, to predict with or to go on from.

        It lies beside the file that the set was read from. That is a file of your own: it is opened
        only if it is the one that the sweep wrote, by its checksum.

        Args:
            build_model: The sweep's own function, where Keras could save the parameters alone.
            custom_objects: Classes that Keras does not know, as ``keras.models.load_model`` takes.

        Raises:
            WeightSetError: The set has no model, it is not there, or it is another file.
        """
        from lossweights.loss.trained import trained_model

        return trained_model(self, build_model, custom_objects)

    def _terms(self, terms: Mapping[str, Any] | None) -> dict[str, Any]:
        """The terms: those given, the others rebuilt from their descriptions."""
        from lossweights.terms import from_description

        given = dict(terms or {})
        unknown = [name for name in given if name not in self.weights]
        if unknown:
            raise WeightSetError(
                f"Expected terms among {list(self.weights)}. Found {unknown}. Use the names of "
                f"this weight set."
            )
        opaque = [n for n in self.weights if n not in given and self.terms.get(n) is None]
        if opaque:
            raise WeightSetError(
                f"Expected a description of each term in the weight set {self.name or ''}. Found "
                f"none for {opaque}: they are code of your own. Pass them: "
                f"weights.loss(terms={{{opaque[0]!r}: ...}})."
            )
        return {
            name: given[name] if name in given else from_description(self.terms[name] or {})
            for name in self.weights
        }

    def to_json(self) -> str:
        """The set as JSON text, with a checksum that catches edits and truncation."""
        body = self._body()
        return dump_json({**body, "sha256": checksum(body)})

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "weights": dict(self.weights),
            "relative": self.relative,
            "scales": None if self.scales is None else dict(self.scales),
            "terms": {k: None if v is None else dict(v) for k, v in self.terms.items()},
            "metrics": dict(self.metrics),
            "origin": dict(self.origin),
            "chosen": dict(self.chosen),
            "provenance": self.provenance.to_json(),
        }

    def save(self, path: str | Path) -> Path:
        """Write the set to a file, whole or not at all.

        Raises:
            StoreError: The file cannot be written.
        """
        write_atomic(Path(path), self.to_json())
        return Path(path)

    @classmethod
    def read(cls, path: str | Path) -> WeightSet:
        """Read a set from a file; no code runs, whatever the file holds.

        Raises:
            WeightSetError: The file is missing, not a regular file, too large, damaged, edited,
                or of a later version.
        """
        path = Path(path)
        if "\0" in str(path):
            raise WeightSetError(f"{str(path)!a}: no path has a null character. Check it.")
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise WeightSetError(
                    f"{path}: expected a regular file. Give the path of a JSON file."
                )
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise WeightSetError(f"{path}: cannot be read ({error}). Check the path.") from error
        return replace(cls.parse(data, str(path)), home=path.parent, recorded=True)

    @classmethod
    def parse(cls, data: bytes, source: str = "weight set") -> WeightSet:
        """Read a set from the bytes of a file; see `read`."""
        try:
            content = parse_json(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
            found = checked_fields(content)
            relative = found.pop("relative")
            weights = cls(**found, recorded=True)
            if weights.relative != relative:
                raise ValueError("expected relative weights that are weight times scale")
            return weights
        except (ValueError, InvalidName) as error:
            raise WeightSetError(
                f"{source}: not a usable weight set: {error}. Export it again with "
                f"`lossweights export`."
            ) from None


def _checked_scales(scales: Mapping[str, object], names: Sequence[str]) -> dict[str, float]:
    if set(scales) != set(names):
        raise WeightError(
            f"Expected one scale for each of the terms {list(names)}. Found {list(scales)}."
        )
    checked = {name: as_number(scales[name]) for name in names}
    if not all(0.0 < scale <= FLOAT32_MAX for scale in checked.values()):
        raise WeightError(f"Expected scales that are finite and above 0. Found {dict(scales)}.")
    return checked
