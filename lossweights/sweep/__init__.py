"""A sweep: what a user declares, and how it is run."""
