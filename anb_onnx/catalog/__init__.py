"""Which artifacts there are: manifests, cards and golden vectors."""
