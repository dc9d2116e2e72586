"""Members of ensembles: what is trained, how, and what is fitted to their predictions."""
