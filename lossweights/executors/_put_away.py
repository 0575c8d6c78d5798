"""Bytes that are needed now and then, out of this process's memory meanwhile."""

from __future__ import annotations

import logging
import mmap
import tempfile
import weakref

log = logging.getLogger("lossweights")


class PutAway:
    """Holds bytes in a file without a name, whose memory the system may take while nobody reads.

    The file ends with this object, or with this process, killed or not. Where there is no room for
    it, the bytes stay in memory.

    Args:
        data: The bytes; at least one.
    """

    def __init__(self, data: bytes) -> None:
        self._data: bytes | None = data
        try:
            file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed with this object
        except OSError as error:
            log.debug("kept in memory: %s", error)
            return
        close = weakref.finalize(self, file.close)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            log.debug("kept in memory: %s", error)
            close()  # others need what is left of the disk
        else:
            self._file, self._data = file, None

    def read(self) -> bytes | mmap.mmap:
        """The bytes, in memory for as long as somebody holds what is returned; from any thread."""
        if self._data is not None:
            return self._data
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
