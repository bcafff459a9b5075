"""Texts: what an example is, reading and writing files of them, and the texts that come with pet_keras."""
