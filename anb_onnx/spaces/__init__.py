"""Search spaces as values, and architectures in them."""
