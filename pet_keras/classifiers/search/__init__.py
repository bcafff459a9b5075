"""What of a cloze is searched instead of written: its pattern, its label words."""
