"""Which term dominates: arithmetic and rules on recorded numbers.

Doors:

- `shares`: parts of the weighted loss and of its decrease;
- `gram`: what the Gram matrix of the terms' gradients says;
- `verdict`: `Verdict`, which term drove one training, and its words;
- `judge`: the rules that make a `Verdict`;
- `sweep_verdict`: `SweepVerdict`, what all trials of a sweep say together, flips included.
"""
