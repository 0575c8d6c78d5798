"""The frame of terms that are the mean of a function of each element's target and prediction."""

from abc import abstractmethod

from lossweights.terms._tensors import Tensor, as_floats, mean_per_sample
from lossweights.terms.per_sample import Term


class ElementTerm(Term):
    """A term that is a mean over elements, each of which costs something of its own."""

    @abstractmethod
    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The value of each element, from floats of one shape and in that shape."""

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The mean value of each sample's elements, shape ``(batch,)``."""
        return mean_per_sample(self.of_elements(*as_floats(y_true, y_pred)), element_weight)
