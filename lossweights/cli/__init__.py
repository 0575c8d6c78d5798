"""The command line."""

from lossweights.cli._app import app

__all__ = ["app"]
