"""Watching the terms of any Keras training, with or without a sweep.

Doors:

- `monitor`: `TermMonitor`, the Keras callback;
- `probe`: the magnitude of every term on a fixed set of samples;
- `gradients`: the Gram matrix of the terms' gradients there.
"""
