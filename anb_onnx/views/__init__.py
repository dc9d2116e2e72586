"""How values look: numbers with the digits that count, HTML for notebooks, tables of others."""
