"""The data of a problem."""

from lossweights.data._data import Data

__all__ = ["Data"]
