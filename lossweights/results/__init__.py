"""Reading what a sweep has left in its folder."""
