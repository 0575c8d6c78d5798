"""The loss: one Keras loss made of several named terms, its scales and its weight sets.

Doors, none of which is imported here, since a weight set is read without loading Keras:

- `weights`: what weights and scales must be, and the largest that float32 takes;
- `combined`: `CombinedLoss`, the weighted sum, whose weights move at any time;
- `output_loss`: `OutputLoss`, the part of it that one output is trained with;
- `scales`: `reference_scales`, how large each term is before any training;
- `mean_prediction`: `mean_magnitudes`, how large all are for one prediction, the targets' mean;
- `masks`: `with_masks`, Keras' masks as weights of elements;
- `adaptive`: `DWA` and other methods, from magnitudes and gradients so far to the next weights;
- `registration`: makes Keras know our losses and metrics before it reads a saved model;
- `weight_set`: `WeightSet`, weights with where they came from, as strict JSON;
- `ramps`: how the weights of a set change over the epochs;
- `provenance`: `Provenance`, what is known of the training behind them;
- `trained`: the file of the trained model that a weight set refers to;
- `plain_code`: the loss as code that needs Keras alone.
"""
