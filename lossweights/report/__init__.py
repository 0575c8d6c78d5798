"""What a person reads at the end of a sweep.

Doors:

- `page`: the report, one HTML file that one can explore and that needs no network;
- `follow`: a report that is written anew while its sweep runs;
- `summary`: what is printed;
- `links`: where to look at a sweep: its report, and MLflow's UI at the pages that show it;
- `table_files`: the trials as a file, for programs and for a paper;
- `terminal`: text that fits a terminal.

What the page is made of lies in ``assets/``: a template, a style and scripts, each of one idea. A
new chart is a figure of `lossweights.figures`, listed in `_data` and given a place in
``page.html``; a new table is a function of `_tables`.
"""
