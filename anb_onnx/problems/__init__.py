"""What is searched for, as a value: objectives, constraints, noise, budget, and what is proven."""
