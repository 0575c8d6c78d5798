"""A sweep: what a user declares, and the steps around the driver's loop.

Doors:

- `sweep`: `Sweep`, which trains Keras models;
- `plan`: `plan`, one look at a loss and a model before a sweep;
- `abstract`: `AbstractSweep`, what can be run, launched and loaded by a worker;
- `carried`: a sweep by value, for workers that cannot load its script;
- `prepared`: `Prepared`, a sweep whose data are loaded, as driver and workers see it;
- `prune`: which trials stop early, as declared, asked for, or kept from before;
- `raced`: what a run has to beat, likewise;
- `early`: what workers are forked from, begun beside the script that declares the sweep;
- `flags`, `launch`: the options of a run on the command line, and launching with them;
- `references`: `load`, weight sets by every kind of reference;
- `reproduce`: a pick trained anew, and what is the same;
- `export_model`: the trained winner, as other programs read it;
- `remove`: `remove_sweep`, which deletes a sweep with its weight sets and MLflow runs.

The way from the options to the result is `_run.run_sweep`: prepare, open, choose, train, conclude.
"""
