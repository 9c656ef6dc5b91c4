"""How a model's figures depend on how it is sampled: guidance, steps and sampler, one at a time."""
