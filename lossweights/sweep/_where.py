"""Where trials are trained: what may be asked for together."""

from __future__ import annotations

from lossweights.base.errors import RecipeError
from lossweights.executors import refuse_without_ray

EXECUTORS = ("inline", "processes", "ray")


def check_executor(executor: str | None, address: str | None, workers: int | None) -> None:
    """Refuse an executor that there is not, and what does not go with it.

    Args:
        executor: One of `EXECUTORS`, or ``None`` for what is fastest on this machine.
        address: Of a cluster, or ``None``.
        workers: How many workers, or ``None``.

    Raises:
        RecipeError: Says what does not fit.
    """
    if executor not in (None, *EXECUTORS):
        raise RecipeError(f"Expected an executor among {EXECUTORS}. Found {executor!r}.")
    if address is not None and executor != "ray":
        raise RecipeError(
            f"Expected an address with executor='ray' alone. Found {address!r} with "
            f"executor={executor!r}. Leave it out, or say executor='ray'."
        )
    if executor == "inline" and workers:
        raise RecipeError(
            f"Expected no workers with executor='inline', which trains in this process. Found "
            f"{workers}. Leave one of them out."
        )
    if executor in ("processes", "ray") and workers == 0:
        raise RecipeError(
            f"Expected workers with executor={executor!r}. Found 0, which trains in this process. "
            f"Leave one of them out."
        )
    if executor == "ray":
        refuse_without_ray()
        if address is not None and not _is_address(address):
            raise RecipeError(
                f"Expected an address such as 'auto', 'ray://HOST:10001' or 'HOST:6379'. Found "
                f"{address!r}."
            )


def _is_address(address: str) -> bool:
    """Whether it is one of the forms that a cluster is named by.

    >>> [_is_address(each) for each in ("auto", "ray://head:10001", "10.0.0.1:6379", "head")]
    [True, True, True, False]
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    return address == "auto" or (bool(host) and "/" not in host and port.isdigit())
