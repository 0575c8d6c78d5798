"""Watching the terms of any Keras training."""
