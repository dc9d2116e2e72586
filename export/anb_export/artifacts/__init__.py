"""Artifacts and their manifest: built, imported, converted and projected."""
