"""The address of an MLflow store, as it may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def without_password(uri: str) -> str:
    """An address as it may be shown and kept.

    >>> without_password("https://me:secret@host:5000/x")
    'https://host:5000/x'
    """
    parts = urlsplit(uri)
    if parts.password is None and parts.username is None:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def is_database(uri: str) -> bool:
    """Whether an address is a database that this process opens itself, not a server.

    >>> is_database("sqlite:////tmp/mlflow.db"), is_database("https://host:5000")
    (True, False)
    """
    return uri.partition(":")[0].partition("+")[0] in ("sqlite", "mysql", "postgresql", "mssql")


def is_file_store(uri: str) -> bool:
    """Whether an address is a folder: a path, or one with ``file:``.

    >>> [is_file_store(uri) for uri in ("./mlruns", "file:///x", "http://host", "databricks")]
    [True, True, False, False]
    """
    scheme = urlsplit(uri).scheme
    is_path = len(scheme) < 2 and not uri.startswith("databricks")  # or the letter of a drive
    return is_path or scheme == "file"
