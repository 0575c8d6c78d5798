"""What is searched: the space, the sampler, what to try first, picks."""
