"""What is asked: patterns, label words, tasks, masks, and the batches that a model is shown."""
