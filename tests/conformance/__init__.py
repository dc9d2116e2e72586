"""Small artifacts of every kind, with golden bits, that every engine and every client must give."""
