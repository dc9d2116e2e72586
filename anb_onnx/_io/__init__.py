"""Files, streams and words: what reads and writes bytes, and how values are shown in messages."""
