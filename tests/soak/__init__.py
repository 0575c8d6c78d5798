"""A soak: for half an hour sweeps of many kinds of models are killed, gone on with and compared."""
