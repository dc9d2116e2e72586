"""From architectures in any form to codes, symbols and indices."""
