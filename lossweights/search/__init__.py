"""What is searched: where weights come from, which are tried first, and which are picked.

Doors:

- `space`: `Space` and the distributions `Fixed`, `Uniform`, `LogUniform`, `Simplex`;
- `baselines`: the weight sets that every sweep tries first;
- `sampler`: Optuna's sampler, asked in turns;
- `rungs`: `Rungs`, at which the worst part of what was asked for together stops;
- `pruner`: a pruner of Optuna in their place;
- `selection`: Pareto front and picks such as ``"min:rmse where shortfall<=5"``;
- `importance`: how much each weight matters for each metric.

A new sampler is a class beside `sampler`; `space` and `selection` need no Optuna.
"""
