"""Representations of learning curves, compared by how well they are predicted."""
