"""Which artifacts there are: manifests, cards, golden vectors and what is proven."""
