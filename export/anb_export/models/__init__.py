"""Models of several libraries, read from their files as plain data."""
