"""Model cards in Markdown: what an artifact predicts, how well, and what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anb_export.reports.card_figures import calibration_section, quality_section, worst_section
from anb_export.reports.card_header import header
from anb_export.reports.evaluate_artifact import Evaluation
from anb_export.reports.markdown import number, paragraph, percent, table
from anb_export.training.recipe import N_FOLDS
from anb_onnx.regimes import Regime
from anb_onnx.spaces.mnasnet import MNASNET

#: Names of the devices, as their makers write them.
DEVICES = {
    "a100": "NVIDIA A100",
    "3090": "NVIDIA GeForce RTX 3090",
    "tpuv2": "Google TPU v2",
    "tpuv3": "Google TPU v3",
    "zcu102": "AMD Xilinx ZCU102 (FPGA)",
    "vck190": "AMD Xilinx VCK190 (FPGA)",
}

_METRICS = {
    "accuracy": "ImageNet top-1 accuracy after the short training scheme of Accel-NASBench",
    "throughput": "inference throughput",
    "latency": "inference latency",
    "train_time": "time of the training that gave the accuracy",
    "macs": "multiply-accumulate operations of one inference, in millions",
    "params": "number of parameters, in millions",
}

_CREDIT = """\
The measurements, the search space, the targets and the published split are those of
[Accel-NASBench](https://github.com/afzalxo/Accel-NASBench) (Apache-2.0): Afzal Ahmad, Linfeng Du,
Zhiyao Xie, Wei Zhang, *Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS*, DAC
2024, [arXiv:2404.08005](https://arxiv.org/abs/2404.08005). The licence of this artifact is
{license}."""


def write_card(evaluation: Evaluation, commands: Sequence[str]) -> str:
    """Return the card of one target.

    Parameters
    ----------
    evaluation : Evaluation
    commands : sequence of str
        The command lines that make artifact and card.
    """
    parts = [header(evaluation.spec.name, evaluation.card), _head(evaluation)]
    if evaluation.calibration is None:
        parts += [_exact(evaluation)]
    else:
        parts += [
            f"![Predicted against measured, and observed coverage]({evaluation.spec.name}.png)",
            quality_section(evaluation),
            calibration_section(evaluation, evaluation.calibration),
            worst_section(evaluation),
            _recipe(evaluation),
            _verification(evaluation.card),
        ]
    parts += [_data(evaluation), _origin(evaluation.card, commands)]
    return "\n\n".join(parts) + "\n"


def _head(evaluation: Evaluation) -> str:
    spec, card = evaluation.spec, evaluation.card
    where = f" on {DEVICES.get(spec.device, spec.device)}" if spec.device else ""
    better = "more" if spec.direction == "max" else "less"
    mean, std = evaluation.efficientnet_b0
    b0 = f"{number(mean, 6)} {spec.unit}"
    if evaluation.calibration is None:
        kind = "exact closed form (std is 0)"
    else:
        pair = np.array([mean, std], dtype=np.float32)
        scale = evaluation.calibration.predictive_std(pair[:1], pair[1:])[0]
        b0 += f", std {number(std, 3)}, predictive std {number(float(scale), 3)}"
        kind = f"ensemble of {card['members']} members, compiled into integer tables"
    facts = [
        ("predicts", f"{_METRICS[spec.metric]}{where}"),
        ("unit", f"{spec.unit}; {better} is better"),
        ("model", kind),
        ("EfficientNet-B0", b0),
        ("file", f"`{card['file']}`, {card['bytes']:,} bytes"),
        ("sha256", f"`{card['sha256']}`"),
        ("licence", card["license"]),
    ]
    return f"# {spec.name}\n\n{table(['', spec.name], facts, left=2)}"


def _exact(evaluation: Evaluation) -> str:
    n = evaluation.card["quality"]["all"]["n"]
    text = f"""\
{evaluation.spec.name} is a sum of one integer count per block, so nothing is estimated: the counts
were solved for and rounded to integers, and the prediction equals the published value of all {n:,}
records, rounded once to float32; std is 0. Every choice of every block occurs among them, so every
architecture of the space is counted."""
    return f"## Exact closed form\n\n{paragraph(text)}"


def _recipe(evaluation: Evaluation) -> str:
    card = evaluation.card
    recipe = card["recipe_parameters"]
    name, offset = card["link"]["name"], recipe["link"]["offset"]
    unit = evaluation.spec.unit
    facts = [("link", f"g(y) = {name}")]
    hinges = recipe["link"]["hinges"]
    if hinges:
        knots = f"{hinges[0][0]:,.4g} to {hinges[-1][0]:,.4g} {unit}"
        facts.append(("hinges", f"{len(hinges)} after the inverse link, from {knots}"))
    bent = " Hinges bend that prediction where the device saturates." if hinges else ""
    if "regime" in recipe["link"]:
        regime = Regime.from_dict(recipe["link"]["regime"])
        of = regime.describe(MNASNET)
        facts.append(("regime", f"{len(regime.hinges)} more hinges for architectures with {of}"))
        bent += f" Architectures with {of} were measured under another limit and have their own."
    facts += [(f"xgboost `{key}`", f"{value:.6g}") for key, value in recipe["params"].items()]
    if recipe["additive"] is not None:
        first = ", ".join(f"`{key}` {value:.6g}" for key, value in recipe["additive"].items())
        facts.append(("additive stage", f"trees of one block each come first, with {first}"))
    facts.append(("most rounds", f"{recipe['num_rounds']:,}"))
    facts.append(("early stopping", f"{recipe['early_stopping_rounds']:,} rounds"))
    loss = "squared error" if recipe["huber"] is None else f"pseudo-Huber, {recipe['huber']:g} std"
    if recipe["loss_scale"]:
        loss += f", row weights (dy/du)^{2 * recipe['loss_scale']:g}"
    facts.append(("loss", f"{loss} on the standardised scale of the link"))
    if recipe["noise_floor"] is not None:
        floor = percent(recipe["noise_floor"])
        facts.append(("noise", f"row weights / (1 + (relative measured std / {floor})²)"))
    if recipe["monotone"]:
        facts.append(("monotone", "in expansion ratio, kernel size and layers"))
    if recipe["trim"] is not None:
        facts.append(("outliers", f"rows above {recipe['trim']:g} medians are not learned from"))
    where = "" if offset is None else f" The offset {offset:g} of the link is in {unit}."
    means = paragraph(f"mean and std are those of the members' predictions in {unit}.{bent}{where}")
    members = [
        [str(m["seed"]), f"{m['fold'] + 1} of {N_FOLDS}", f"{m['rounds']:,}"]
        for m in evaluation.members or []
    ]
    return f"""\
## Recipe

Gradient-boosted trees (xgboost) on the standardised link g of the target. No path of a tree mixes
more than two blocks (`interaction_constraints`), so each member equals, exactly, a sum of one table
per pair of blocks a < b, with s the blocks' symbols:

    g(prediction of a member) = shift + scale · Σ T_ab[s_a, s_b]

{means}

{table(["parameter", "value"], facts, left=2)}

Members differ by seed and by the fold of the pool that stops their training:

{table(["seed", "held-out fold", "rounds"], members, left=0)}"""


def _verification(card: Any) -> str:
    found = card["verification"]
    text = f"""\
On {found["n"]:,} random architectures (seed {found["seed"]}) the integer sums of the tables are at
most {found["steps"]:.3g} steps of the fixed point (2^-{card["fraction_bits"]} of a standard
deviation of the label) from the float64 sums of all leaves; the rounding of the entries allows
{found["bound"]:g}. The outputs differ by at most {found["largest"]:.2g} standard deviations of the
target ({number(card["target_std"])} {card["unit"]}), which includes their rounding to float32."""
    return f"## Verification\n\n{paragraph(text)}"


def _data(evaluation: Evaluation) -> str:
    facts, split = evaluation.card["dataset"], evaluation.card["split"]
    if evaluation.calibration is None:
        used = f"All {facts['n_used']:,} records determine the counts."
    else:
        n_trimmed = facts["n_dropped"] - evaluation.n_missing
        used = (
            f"Learned from {facts['n_used']:,} training and validation records; "
            f"{evaluation.n_missing:,} more have no measurement, {n_trimmed:,} were left out as "
            f"outliers. Test rows with a measurement: {len(evaluation.rows):,}; none is left out."
        )
    lines = [
        ("data set", f"{facts['name']} ({facts['license']}), {facts['n_records']:,} records"),
        ("its sha256", f"`{facts['sha256']}` (of names and contents of the records)"),
        ("split", f"`{split['name']}`"),
        ("its sha256", f"`{split['sha256']}` (of the names in its parts)"),
    ]
    return f"## Data\n\n{table(['', 'data'], lines, left=2)}\n\n{paragraph(used)}"


def _origin(card: Any, commands: Sequence[str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    block = "\n".join(commands)
    return f"""\
## Licence, credit and origin

{paragraph(_CREDIT.format(license=card["license"]))}

{paragraph(f"Made with {versions}, by")}

```sh
{block}
```"""
