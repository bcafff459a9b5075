"""What answers many requests: several prompts on one frozen model, HTTP and its pages."""
