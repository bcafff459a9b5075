"""What puts models to use: several prompts on one frozen model, HTTP and its pages, export."""
