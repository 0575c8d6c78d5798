"""The exceptions of lossweights: one root, and children that subclass what a caller would catch.

Every message says what was expected, what was found and what to do.
"""


class LossweightsError(Exception):
    """Root of every error that lossweights raises on purpose."""


class InvalidName(LossweightsError, ValueError):
    """A sweep, term or weight-set name that is not a plain name."""


class WeightError(LossweightsError, ValueError):
    """Weights that are negative, not finite, all zero, or do not match the terms."""


class SpaceError(LossweightsError, ValueError):
    """A search space that does not describe a distribution over weights."""


class TermError(LossweightsError, ValueError):
    """A term that cannot be built, or that does not give one finite-shaped value per sample."""


class MetricError(LossweightsError, ValueError):
    """A metric that cannot be computed on the data it was given."""


class ObjectiveError(LossweightsError, ValueError):
    """An objective that depends on the searched weights, or that no metric measures."""


class DataError(LossweightsError, ValueError):
    """Training data with missing values, differing lengths, or the wrong shapes."""


class ModelError(LossweightsError, ValueError):
    """A model that cannot be built, trained, or fitted to the targets."""


class PickError(LossweightsError, ValueError):
    """A pick such as ``"min:rmse where shortfall<=0.1"`` that cannot be read or satisfied."""


class RecipeError(LossweightsError, ValueError):
    """A number or a choice of the recipe, such as epochs or the optimizer, that cannot be."""


class WeightSetError(LossweightsError, ValueError):
    """A weight-set file that is damaged, too large, from a newer version, or not one at all."""


class StoreError(LossweightsError, OSError):
    """A sweep folder that cannot be created, read or written."""


class SweepExists(LossweightsError, FileExistsError):
    """A new sweep under a name that already has results."""


class SweepNotFound(LossweightsError, FileNotFoundError):
    """A sweep or promoted weight set that is not under this root."""


class SweepLocked(LossweightsError, RuntimeError):
    """A sweep that another process is driving at this moment."""


class SweepChanged(LossweightsError, ValueError):
    """A resumed sweep whose space, terms, objectives, recipe, code or data are not the same."""


class WorkerError(LossweightsError, RuntimeError):
    """A worker process that cannot load the sweep, keeps dying, or sends what is no report.

    Attributes:
        reason: Why, in a line.
    """

    def __init__(self, message: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.reason = (reason or message).partition("\n")[0]


class TrackingError(LossweightsError, RuntimeError):
    """MLflow cannot be written, in a command that has nothing else to do."""


class SweepFailed(LossweightsError, RuntimeError):
    """A sweep that stopped because its trials kept failing for one reason."""


class NoneComplete(SweepFailed):
    """A sweep that ended without one complete trial: there is nothing to return."""
