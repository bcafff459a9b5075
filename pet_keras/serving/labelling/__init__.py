"""From a pile of texts to labels and a model: which text to label next, the answers on disk, the learning, the page."""
