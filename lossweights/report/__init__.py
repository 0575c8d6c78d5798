"""What a person reads at the end of a sweep.

Doors:

- `page`: the report, one HTML file that needs no network;
- `summary`: what is printed.

A new figure is a function of `_figures`, which `page` shows.
"""
