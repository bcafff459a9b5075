"""Active learning: which texts a classifier would learn most from."""
