"""The spool: reports of trials that are still training, a line each, so that a crash loses none.

A trial's file is written while it trains and removed once its result is kept. It is not flushed to
the disk: it survives the death of the driver, and of a power cut only what the disk had by then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lossweights.base.errors import StoreError
from lossweights.base.strict_json import canonical_json, parse_json
from lossweights.records import EpochReport
from lossweights.results.folder import quarantine

log = logging.getLogger("lossweights")


class Spool:
    """The reports of running trials, in files of a sweep folder.

    A full disk costs the reports, not the sweep: that is said once.

    Args:
        folder: The sweep folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "spool"
        self._full = False

    def add(self, number: int, report: EpochReport, time: int) -> None:
        """Keep a report of a running trial.

        Args:
            number: The trial.
            report: The report.
            time: When it was made, in milliseconds since 1970.
        """
        line = canonical_json({"time": time, **report.to_json()}) + b"\n"
        try:
            self._folder.mkdir(exist_ok=True)
            with self._path(number).open("ab") as stream:
                stream.write(line)
        except OSError as error:
            if not self._full:
                log.warning(
                    "the reports of running trials cannot be kept (%s); their results will be",
                    error,
                )
            self._full = True

    def remove(self, number: int) -> None:
        """Forget a trial: its result is kept."""
        with suppress(OSError):  # what is left is removed when the sweep is opened again
            self._path(number).unlink(missing_ok=True)

    def read(self, number: int) -> tuple[tuple[EpochReport, ...], tuple[int, ...]]:
        """The reports of a trial that never ended, and their times.

        A line that was cut off by a crash ends the reports; the file is set aside, not removed.
        """
        path = self._path(number)
        reports, times = [], []
        try:
            for time, report in _lines(path.read_bytes()):
                reports.append(report)
                times.append(time)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            log.warning("%s is damaged (%s); it is kept as %s", path, error, quarantine(path).name)
        return tuple(reports), tuple(times)

    def clear(self) -> None:
        """Remove the files of trials that are settled; what was set aside stays."""
        for path in self._folder.glob("*.jsonl"):
            try:
                path.unlink()
            except OSError as error:
                raise StoreError(f"Cannot remove {path}: {error}. Check its rights.") from error

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04d}.jsonl"


def _lines(data: bytes) -> Iterator[tuple[int, EpochReport]]:
    *whole, rest = data.split(b"\n")
    epoch = -1
    for line in whole:
        value = parse_json(line)
        report = EpochReport.from_json(value)
        if report.epoch <= epoch:
            raise ValueError(f"epoch {report.epoch} after epoch {epoch}")
        epoch = report.epoch
        yield int(value["time"]), report
    if rest:
        raise ValueError("a line without an end")
