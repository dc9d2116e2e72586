"""Learning curves as surrogates: bases and coefficients, gates, Bezier curves, tables of them."""
