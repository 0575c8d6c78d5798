"""The weight set: the weights of a loss, frozen, with where they came from, kept as strict JSON."""

from __future__ import annotations

import hashlib
import math
import stat
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import InvalidName, WeightError, WeightSetError
from lossweights.base.files import write_atomic
from lossweights.base.names import check_name
from lossweights.base.numbers import as_number
from lossweights.base.shown import call, paragraph, table
from lossweights.base.strict_json import canonical_json, dump_json, parse_json
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY, check_weights

if TYPE_CHECKING:
    from lossweights.loss.combined import CombinedLoss

FORMAT = "lossweights/weight-set"
VERSION = 1
MAX_BYTES = 1 << 20
MAX_DEPTH = 4  # file > terms > one term > one list-valued argument
MAX_TERMS = 256
_FLOAT64_MAX = 1.7976931348623157e308  # a JSON integer may be larger


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
        for name in ("terms", "origin"):
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
        built = {
            name: given[name] if name in given else from_description(self.terms[name] or {})
            for name in self.weights
        }
        return CombinedLoss(terms=built, weights=dict(self.weights))

    def to_json(self) -> str:
        """The set as JSON text, with a checksum that catches edits and truncation."""
        body = self._body()
        return dump_json({**body, "sha256": _checksum(body)})

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
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: bytes, source: str = "weight set") -> WeightSet:
        """Read a set from the bytes of a file; see `read`."""
        try:
            content = parse_json(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
            weights = cls(**_checked_fields(content), recorded=True)
            if weights.relative != content["relative"]:
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


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()


def _checked_fields(content: Any) -> dict[str, Any]:
    """The constructor's arguments from a parsed file.

    Raises:
        ValueError: Says what was expected and found.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"expected an object with format {FORMAT!r}")
    version = content.get("version")
    if version != VERSION or isinstance(version, bool):
        raise ValueError(f"expected version {VERSION}, found {version!r}; update lossweights")
    expected = {"format", "version", "name", "weights", "relative", "scales", "terms", "metrics",
                "origin", "sha256"}  # fmt: skip
    if set(content) != expected:
        raise ValueError(f"expected the keys {sorted(expected)}, found {sorted(content)}")
    body = {key: value for key, value in content.items() if key != "sha256"}
    if content["sha256"] != _checksum(body):
        raise ValueError("expected the checksum of the content, found another: the file was "
                         "edited or damaged")  # fmt: skip
    name, weights, terms = content["name"], content["weights"], content["terms"]
    if name is not None and not isinstance(name, str):
        raise ValueError(f"expected a text or null as name, found {name!r}")
    _check_numbers("weights", weights)
    if len(weights) > MAX_TERMS:
        raise ValueError(f"expected at most {MAX_TERMS} terms, found {len(weights)}")
    if content["scales"] is not None:
        _check_numbers("scales", content["scales"])
    _check_numbers("metrics", content["metrics"])
    if not isinstance(content["origin"], dict) or not all(
        isinstance(v, (str, int, float)) for v in content["origin"].values()
    ):
        raise ValueError("expected texts and numbers in origin")
    if not isinstance(terms, dict) or not all(
        v is None or (isinstance(v, dict) and isinstance(v.get("class"), str))
        for v in terms.values()
    ):
        raise ValueError("expected null or an object with a class for each of the terms")
    keys = ("name", "weights", "scales", "terms", "metrics", "origin")
    return {key: content[key] for key in keys}


def _check_numbers(what: str, value: Any) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < _FLOAT64_MAX
        for v in value.values()
    ):
        raise ValueError(f"expected an object of plain numbers as {what}, found {value!r:.80}")
