"""``python -m lossweights.cli``: the command line without its script."""

from lossweights.cli import app

app()
