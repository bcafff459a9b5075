"""PET and iPET: a model a pattern, their ensemble, and the classifier distilled from it."""
