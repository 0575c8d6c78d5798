"""Pictures of a sweep: plotly figures of plain tables, for notebooks and for the report.

Doors:

- `scene`: what a picture is drawn from;
- `front`: every trial by its objectives, picks and baselines named;
- `weights`: which term drove at which weights;
- `curves`: one training, epoch by epoch;
- `drive`: what each term took off the loss, by trial;
- `importance`: which weight matters for which metric;
- `parallel`: weights and metrics of all trials side by side;
- `what_if`: what is predicted if one weight moves;
- `still`: any of these as a PNG file;
- `style`: colours and marks of terms, scales of axes, and names that are safe to show.

A new picture is a module with one public function. A point that stands for a trial has its number
as ``customdata``: by that the report links its charts.
"""
