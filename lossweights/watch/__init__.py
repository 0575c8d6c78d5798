"""Watching the terms of any Keras training, with or without a sweep.

Doors:

- `monitor`: `TermMonitor`, the Keras callback;
- `backends`: what needs TensorFlow, refused on others;
- `schedule`: another, which weighs the terms anew after each epoch;
- `ramps`: a third, by which weights change over the first epochs;
- `learned`: weights that are trained with the model;
- `in_force`: the weights that an epoch was trained with;
- `adaptive`: these and the methods it takes, as ``lw.adaptive``;
- `look`: `Look`, one measurement of a model, now and again;
- `probe`: the magnitude of every term on a fixed set of samples;
- `inference`: how a model is measured without being changed, and the losses that it adds itself;
- `reading`: where the terms read in a compiled model, and what else it is trained on;
- `gradients`: the Gram matrix of the terms' gradients there.
"""
