"""Reading a sweep: its folder, its result, its state. Nothing here needs Keras, Optuna or MLflow.

Doors:

- `folder`: the files of a sweep folder, manifest and one result a trial;
- `contest`: trainings beside the trials: baselines outside the space, and confirmation;
- `baselines`: those that are trials, those beside them, and their table;
- `proof`: what confirmation says of the picks and the baselines;
- `constants`: what each objective is for the best constant prediction;
- `plot`: the pictures of a result, `SweepResult.plot`;
- `surrogate`: what is predicted for weights that were not tried;
- `winner`: what is known of the saved winner;
- `result`: `SweepResult` with table, front, picks and verdict;
- `undefined`: why a metric may have no value, and what to do;
- `stopped`: how many trials were stopped early, and where;
- `weights`: the weight sets that sweeps saved;
- `promotion`: which of them is promoted, by the sweep or by hand;
- `difference`: what two weight sets say differently;
- `paste`: the line of code that puts a weight set to use;
- `status`: how a sweep goes on;
- `locks`: one process at a time writes a sweep, and others can ask whether it does;
- `pace`: how fast its trials end.
"""
