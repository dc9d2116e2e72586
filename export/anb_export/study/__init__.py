"""The study of predictors: fits over sizes and seeds, their figures, selection, its report."""
