"""The ground: what every other room stands on, made of the standard library alone.

Doors:

- `errors`: every error of the package, as ``lw.errors``;
- `names`, `numbers`, `durations`: what is checked wherever it comes in;
- `files`, `strict_json`: files that are whole or not there, JSON from anyone;
- `sampled`: the mark of what a sweep samples, and a choice between things;
- `arguments`: what a class takes and an instance keeps;
- `code_hash`: a fingerprint of code, so that a changed script is found out;
- `machine`: cores, caches and processor of this machine; `versions` of the packages;
- `graphics`: the cards that this process may use;
- `provenance`: who launched a program, and of which commit its script is;
- `memory`: how much there is, is free, and is held; amounts of it in words;
- `signals`: the first asks to stop, the second insists;
- `logs`: how much libraries log;
- `commands`: command lines that a person can paste;
- `notebook`: whether a person sits at one;
- `shown`: short lines and HTML that objects show of themselves;
- `palette`: the colours of terms in figures;
- `autologging`: keeps MLflow's from recording what is recorded already;
- `imports`: doing something around the import of another package;
- `main_script`: whether the program that runs launches a sweep;
- `quiet_start`: leaves TensorFlow's start-up notes out of a program's output.
"""
