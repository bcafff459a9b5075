"""Grids of runs → records → tables and plots."""
