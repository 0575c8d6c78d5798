"""What other packages keep to themselves and we cannot do without: all of it, and only here.

Doors:

- `keras_names`: layers in layers, masks, what an optimizer leaves out, and the like;
- `mlflow_names`: the tables of MLflow's database, and where artifacts are put;
- `ray_names`: what Ray prints to the driver's output;
- `random_states`: what a process draws random numbers from, kept for a while;
- `tracing`: whether a program is being described or compiled, and not run;
- `devices`: how much memory TensorFlow may take of a card;
- `generated_files`: what TensorFlow writes into temporary files;
- `known`: all such names with the reason for each, and which of them are gone.
"""
