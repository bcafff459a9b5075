"""The texts that come with pet_keras."""
import os


def shipped_texts(name):
    """Path of a text file that comes with pet_keras, e.g. `shipped_texts('reviews.train.tsv')`."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), 'texts', name)
