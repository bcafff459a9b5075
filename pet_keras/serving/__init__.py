"""What answers many requests: several prompts on one frozen model."""
