"""What learns: the classifiers, their training loop, their folders on disk and their figures."""
