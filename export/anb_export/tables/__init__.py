"""Ensembles as integer tables: compiled exactly, projected, or solved for."""
