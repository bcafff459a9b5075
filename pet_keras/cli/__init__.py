"""The command line: one module a command, their common options, and `main`."""
