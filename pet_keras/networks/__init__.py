"""What computes: the layers, the networks built from a checkpoint, and the ways of tuning them."""
