"""Comparisons, model cards and their pages."""
