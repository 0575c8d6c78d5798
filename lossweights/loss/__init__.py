"""The loss room: one Keras loss made of several named terms, its scales and its weight sets.

Its doors are its modules, and this package imports none of them: a weight set must be read without
loading Keras.

- `lossweights.loss.weights`: what weights and scales must be, and the largest that float32 takes;
- `lossweights.loss.combined`: `CombinedLoss`, the weighted sum, whose weights move at any time;
- `lossweights.loss.output_loss`: `OutputLoss`, the part of it that one output is trained with;
- `lossweights.loss.scales`: `reference_scales`, how large each term is before any training;
- `lossweights.loss.weight_set`: `WeightSet`, weights with where they came from, as strict JSON.
"""
