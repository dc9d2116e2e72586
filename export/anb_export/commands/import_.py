"""``anb-export import``: makes ONNX files of models that were trained elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

if TYPE_CHECKING:
    from anb_export.artifacts.importing import Source
    from anb_export.data.dataset import Dataset, Origin
    from anb_export.data.splits import Split
    from anb_onnx.catalog.card import Card

HELP = "convert the reference's checkpoints, or any model files, into ONNX files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="folder of checkpoints in the reference's layout (a member, an ensemble, the whole "
        "tree); or, with --target, the model files of one ensemble",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the ONNX files"
    )
    parser.add_argument(
        "--form",
        choices=("tree64", "trees", "tables", "projected"),
        help="tree64: the same bits for any batch and thread count, for onnxruntime >= 1.24 "
        "(default); trees: float32 leaves, for any onnxruntime; tables: exact, for models that mix "
        "at most two blocks in a tree's path; projected: small and fast, approximate. Support "
        "vector machines have a form of their own",
    )
    parser.add_argument(
        "--best-iteration",
        action="store_true",
        help="cut xgboost's models off after their best round; the reference uses all rounds",
    )
    parser.add_argument("--target", metavar="NAME", help="what given model files predict")
    parser.add_argument(
        "--trained-on",
        choices=("codes", "values"),
        help="what the models were trained on: the genes' codes, or their values with True as 1, "
        "which are translated exactly (default: codes, and models that show something else are "
        "refused)",
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="architectures with the models' own predictions (CSV, JSON or Parquet: the genes and "
        "a column 'prediction'); nothing is written unless the artifact predicts the same",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="PATH",
        help="measurements, to state the quality on the test rows of --split",
    )
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="split of --dataset (default: default_split beside the data set)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import every ensemble found, and print a line for each."""
    from anb_export._io.scratch import scratch_folder
    from anb_onnx.errors import AnbError
    from anb_onnx.writing.manifest import write_artifact

    if arguments.split is not None and arguments.dataset is None:
        msg = f"--split {arguments.split} needs --dataset: it splits the measurements"
        raise AnbError(msg)
    from anb_export.data.accel_nasbench import ACCEL_NASBENCH

    dataset = split = None
    origin = ACCEL_NASBENCH
    if arguments.dataset is not None:
        dataset, split = _arguments.read_data(arguments)
        origin = dataset.origin
    jobs = _jobs(arguments, origin)
    _check_out(jobs)
    options = _options(arguments, jobs, origin)
    # A fault in the last ensemble must not leave the others in --out: all are made elsewhere first,
    # and on disk, since a hundred thousand trees take 200 MB.
    with scratch_folder() as folder:
        made = [_make(job, folder / str(k), dataset, split, options) for k, job in enumerate(jobs)]
        for job, (file, card, notes) in zip(jobs, made, strict=True):
            model = file.read_bytes()
            write_artifact(job.path, model, job.target, card, space=origin.space)
            say(f"{job.target:18} {card['family']:6} members {card['members']}  {_outcome(card)}")
            for text in notes:
                note(f"{job.target} {card['family']}: {text}")
            note(f"wrote {job.path} ({len(model):,} bytes, form {card['form']})")
    if arguments.check is None:
        note("not compared with the models' own predictions: --check FILE does (docs/import.md)")
    return 0


@dataclass(frozen=True)
class _Job:
    """An ensemble to import; its members are read only when it is made."""

    target: str
    path: Path
    form: str | None
    read: Callable[[], Sequence[Source]]
    notes: tuple[str, ...] = ()


def _options(arguments: argparse.Namespace, jobs: Sequence[_Job], origin: Origin) -> dict[str, Any]:
    """Return the options of `import_models` that say of what and on what the models are."""
    from anb_export.artifacts.predictions import read_predictions
    from anb_onnx.errors import AnbError

    if arguments.check is None:
        return {"origin": origin, "trained_on": arguments.trained_on}
    if len(jobs) > 1:
        msg = (
            f"--check {arguments.check} is for one ensemble, and {len(jobs)} were found: import "
            f"them one by one, such as {jobs[0].target} first"
        )
        raise AnbError(msg)
    check = read_predictions(arguments.check, origin.space)
    return {"origin": origin, "trained_on": arguments.trained_on, "check": check}


def _make(
    job: _Job, file: Path, dataset: Dataset | None, split: Split | None, options: dict[str, Any]
) -> tuple[Path, Card, tuple[str, ...]]:
    """Write a job's model to `file`; return that, the card and what to note."""
    from anb_export._io.files import write_atomically
    from anb_export.artifacts.importing import import_models, translated, unused_best

    sources = job.read()
    model, card = import_models(
        job.target, sources, form=job.form, dataset=dataset, split=split, **options
    )
    write_atomically(file, model)
    found = (unused_best(sources), translated(card))
    return file, card, (*job.notes, *(text for text in found if text))


def _jobs(arguments: argparse.Namespace, origin: Origin) -> list[_Job]:
    from anb_export.artifacts.forms import KERNEL_FAMILIES
    from anb_export.artifacts.importing import read_source, read_sources
    from anb_export.models.checkpoints import MODEL_FILE, find_checkpoints
    from anb_onnx.errors import AnbError

    paths, best, form = arguments.paths, arguments.best_iteration, arguments.form
    first = paths[0]
    folders = [path for path in paths if path.is_dir()]
    if arguments.target is not None:
        name = origin.target(arguments.target).name
        if folders:
            msg = (
                f"{folders[0]} is a folder, and --target is for model files: leave it out, as "
                "checkpoints say what they predict, or give the files"
            )
            raise AnbError(msg)

        def read() -> list[Source]:
            return [read_source(path, origin.space, best=best) for path in paths]

        return [_Job(name, arguments.out / f"{name}.onnx", form, read)]
    if len(paths) > 1 and folders:
        msg = (
            f"found {len(paths)} paths: give one folder, such as the whole tree, and import others "
            "after it; or the model files of one ensemble, with --target"
        )
        raise AnbError(msg)
    if first.is_file() and first.suffix.lower() == ".zip":
        msg = f"{first} is an archive: unpack it, and give the folder"
        raise AnbError(msg)
    if len(paths) > 1 or (first.is_file() and first.name != MODEL_FILE):
        msg = "model files do not say what they predict; give it with --target"
        raise AnbError(msg)
    found = find_checkpoints(first)
    families = {ensemble.family for ensemble in found}
    jobs = []
    for ensemble in found:
        # Two families may predict one target: then each family has a folder with a manifest.
        folder = arguments.out / ensemble.family if len(families) > 1 else arguments.out
        # Beside trees, --form speaks of these; alone, support vector machines refuse it.
        exempt = form is not None and ensemble.family in KERNEL_FAMILIES
        exempt = exempt and not families <= {*KERNEL_FAMILIES}
        jobs.append(
            _Job(
                ensemble.target,
                folder / f"{ensemble.target}.onnx",
                None if exempt else form,
                partial(read_sources, ensemble, origin.space, best_iteration=best),
                (f"support vector machines have no trees, so not --form {form}",) if exempt else (),
            )
        )
    return jobs


def _check_out(jobs: Sequence[_Job]) -> None:
    """Refuse early what `write_artifact` would refuse after it wrote other artifacts."""
    from anb_onnx._io.output import check_output
    from anb_onnx.catalog.catalog import Catalog
    from anb_onnx.catalog.manifest import MANIFEST, read_manifest
    from anb_onnx.errors import AnbError

    for job in jobs:
        folder = job.path.parent
        if folder.exists() and not folder.is_dir():
            msg = f"cannot write to {folder}: it is not a folder; give another --out"
            raise AnbError(msg)
        check_output(job.path)
        if (folder / MANIFEST).exists():
            read_manifest(folder / MANIFEST, mend="remove it, and a new one is written")
            Catalog.read(folder)


def _outcome(card: Mapping[str, Any]) -> str:
    parts = []
    if "verification" in card:
        largest = card["verification"]["largest"]
        parts.append(f"at most {largest:.2g} standard deviations from the models")
    if "arithmetic" in card:
        error = card["arithmetic"]["leaf_rounding"]
        parts.append(f"order-independent, within {error:.2g} {card['unit']} of the leaves' sum")
    if "fidelity" in card:
        found = card["fidelity"]
        differences = f"rms {found['rms']['target']:.2g} and max {found['max']['target']:.2g}"
        parts.append(f"projected, R2 {found['r2']:.5g} to the models, {differences} {card['unit']}")
    if "check" in card:
        found = card["check"]
        parts.append(
            f"within {found['largest']:.2g} standard deviations of the {found['n']:,} predictions "
            f"in {found['file']}"
        )
    if card["quality"]:
        m = card["quality"]["test"]
        parts.append(f"test R2 {m['r2']:.4f} tau {m['kendall_tau']:.4f} MAE {m['mae']:.4g}")
    return ", ".join(parts)
