"""What a person reads at the end of a sweep.

Doors:

- `page`: the report, one HTML file that needs no network;
- `summary`: what is printed;
- `links`: where to look at a sweep: its report, and MLflow's UI at the pages that show it;
- `terminal`: text that fits a terminal.

A new figure is a function of `_figures`, which `page` shows.
"""
