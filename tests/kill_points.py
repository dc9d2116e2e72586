"""Kills commands at every point at which they touch a file, and looks at what is left.

``python tests/kill_points.py`` runs each command of `SCENARIOS` on small made-up data once for each
of these points and once more to the end, and prints counts. A point is one of: before a file is
opened for writing, before its content is complete (half of it is there), before it is renamed,
before a file or folder is removed or made. After each kill

* every artifact that a manifest lists must be there, whole: the one from before or the new one,
* a folder of members must be refused, or be whole,
* no file must have other content than before or after the whole command, temporary ones excepted,
* and the same command, run again, must leave the same bytes and no other file.

With ``--full`` no process is killed, but no file can grow beyond some sizes, as on a full disk:
then the command must end with one line of error, too.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from anb_export.artifacts import build
from anb_export.training import out_of_fold
from anb_export.training.compact import CompactRecipe
from anb_export.training.members_folder import TrainingError, read_training
from anb_export.training.tune_compact import store_recipe
from export.family_study import FAMILIES
from export.synthetic import write_study

from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.golden import read_golden
from anb_onnx.catalog.truth_reader import read_truth
from anb_onnx.links import Link

Tree = dict[str, bytes]

#: A folder of a small space, all of whose architectures are counted at once.
ARTIFACTS = Path(__file__).resolve().parent / "conformance" / "nasbench201-pairs"

RECIPE = CompactRecipe(
    Link("-1", 80.0),
    {
        "max_depth": 3,
        "learning_rate": 0.3,
        "min_child_weight": 1.0,
        "subsample": 0.9,
        "colsample_bynode": 0.8,
        "lambda": 1.0,
    },
    additive={"max_depth": 2, "min_child_weight": 1.0, "lambda": 2.0},
    loss_scale=0.25,
    num_rounds=8,
    early_stopping_rounds=4,
)


@dataclass(frozen=True)
class Scenario:
    """A command, what ran before it, and where both write."""

    name: str
    command: Sequence[str]
    before: Sequence[Sequence[str]] = ()
    #: A folder of artifacts that is there as ``out`` before anything runs.
    given: Path | None = None


def scenarios(data: Path) -> list[Scenario]:
    """Commands to kill; they write into the folders ``out`` and ``work`` they are started in."""
    study = ["--dataset", str(data / "anb_dataset_jsons.tar.gz")]
    train = ["train", *study, "--target", "accuracy", "--jobs", "1", "--out", "out", "--seeds"]
    compact = ["--recipe", "compact", "--recipes", str(data / "recipes.json")]
    members = [str(data / f"members/member_{k:02d}.ubj") for k in range(3)]
    take = ["import", "--target", "accuracy", "--out", "out"]
    made = ["build", *study, "--recipes", str(data / "recipes.json"), "--jobs", "1"]
    made += ["--out", "out", "--work", "work", "--target", "macs", "--target", "accuracy"]
    convert = ["convert", str(data / "members"), "--out", "out/accuracy.onnx", "--form"]
    compiled = ["compile", str(data / "compact"), "--out", "out/accuracy.onnx"]
    lgb = [*train, "1,2", "--family", "lgb"]
    other_split = [*made, "--split", "random:1"]
    truth = ["truth", "--out", "out", "--work", "work", "--threads", "1", "--best", "9"]
    return [
        Scenario("train", [*train, "1,2"]),
        Scenario("train, other seeds", [*train, "2,3"], [[*train, "1,2"]]),
        Scenario("train, compact", [*train, "1,2", *compact]),
        Scenario("train, LightGBM", lgb),
        Scenario("import", [*take, *members]),
        Scenario("import, replacing", [*take, *members], [[*take, *members[:2]]]),
        Scenario("convert, replacing", [*convert, "trees"], [[*convert, "tree64"]]),
        Scenario("compile, replacing", compiled, [[*convert, "trees"]]),
        Scenario("build", made),
        Scenario("build, replacing", made, [other_split]),
        Scenario("truth", truth, given=ARTIFACTS),
        Scenario("truth, replacing", truth, [[*truth, "--bins", "9"]], given=ARTIFACTS),
    ]


@contextmanager
def small_build() -> Iterator[None]:
    """Two members and two folds instead of eight and ten."""
    kept = build.N_MEMBERS, out_of_fold.N_OOF_FOLDS, build._VERIFY_ROWS
    build.N_MEMBERS, out_of_fold.N_OOF_FOLDS, build._VERIFY_ROWS = 2, 2, 200
    try:
        yield
    finally:
        build.N_MEMBERS, out_of_fold.N_OOF_FOLDS, build._VERIFY_ROWS = kept


def prepare(root: Path) -> Path:
    """Write data, recipes and members for all scenarios; return their folder."""
    data = root / "data"
    data.mkdir()
    write_study(data, n=600)
    few = {name: {**FAMILIES[name], "num_rounds": 6} for name in ("xgb", "lgb")}
    hyperparameters = {name: {"accuracy": found} for name, found in few.items()}
    (data / "upstream_hyperparameters.json").write_text(json.dumps(hyperparameters))
    store_recipe(data / "recipes.json", "accuracy", {"recipe": RECIPE.to_dict()})
    study = ["--dataset", str(data / "anb_dataset_jsons.tar.gz"), "--target", "accuracy"]
    train = ["train", *study, "--jobs", "1", "--seeds", "1,2,3"]
    run(root, [*train, "--out", str(data / "members")])
    compact = ["--recipe", "compact", "--recipes", str(data / "recipes.json")]
    run(root, [*train, *compact, "--out", str(data / "compact")])
    return data


class Failed(Exception):
    """A command ended with another code than 0; holds what it printed."""


def run(
    folder: Path,
    command: Sequence[str],
    *,
    kill_at: int | None = None,
    most_bytes: int | None = None,
) -> int | None:
    """Run a command in a copy of this process; None if it was killed, else how many points it has.

    A copy has everything imported already, which takes longer than the command itself.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        code = 70
        try:
            os.close(reader)
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
            code = _child(folder, command, kill_at, writer)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # not through what the parent would do at its end
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and kill_at is not None:
        return None
    if os.waitstatus_to_exitcode(status) != 0:
        msg = f"{' '.join(command)} failed: {said}"
        raise Failed(msg)
    return int(said)


def _child(folder: Path, command: Sequence[str], kill_at: int | None, writer: int) -> int:
    from anb_export.cli import main

    (folder / "tmp").mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    os.chdir(folder)
    count = _count_points(folder, kill_at)
    text = io.StringIO()
    with small_build(), redirect_stdout(text), redirect_stderr(text):
        code = main(list(command))
    with os.fdopen(writer, "w") as stream:
        stream.write(str(count[0]) if code == 0 else text.getvalue())
    return code


def _count_points(folder: Path, kill_at: int | None) -> list[int]:
    """Count the points from here on, and end this process at one of them."""
    count = [0]

    def point(before: Callable[[], object] = lambda: None) -> None:
        count[0] += 1
        if count[0] == kill_at:
            before()
            os.kill(os.getpid(), signal.SIGKILL)

    def half(handle: int) -> None:
        # As if killed while it was written.
        point(lambda: os.ftruncate(handle, os.fstat(handle).st_size // 2))
        point()  # and nothing is synchronised: no machine ends here, only processes

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        names = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink")
        writes = event == "open" and int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)  # type: ignore[call-overload]
        if not (writes or event in names) or isinstance(arguments[0], int):
            return
        path = Path.cwd() / os.fsdecode(arguments[0])  # type: ignore[arg-type]
        if path.is_relative_to(folder) and _is_ours(path.relative_to(folder)):
            point()

    os.fsync = half  # type: ignore[assignment]
    sys.addaudithook(hook)
    return count


def _is_ours(path: Path) -> bool:
    # Libraries leave files of their own among the temporary ones, at any moment.
    return path.parts[:1] != ("tmp",) or "anb-export" in str(path)


def tree(folder: Path) -> Tree:
    """Content of all files in a folder, by their path in it; of temporary ones, of ours only."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path.relative_to(folder): path for path in files}
    return {str(name): path.read_bytes() for name, path in names.items() if _is_ours(name)}


def faults(folder: Path, before: Tree, after: Tree) -> list[str]:
    """Return what is wrong with what a killed command has left."""
    found = []
    for name, content in tree(folder).items():
        known = {before.get(name), after.get(name)}
        if Path(name).name == "manifest.json":
            found += _manifest_faults((folder / name).parent, folder, before, after)
        elif Path(name).name == "training.json":
            try:
                read_training((folder / name).parent)
            except TrainingError as error:
                found.append(f"{name}: {error}")
        elif content not in known and not _is_temporary(name):
            found.append(f"{name} is neither the old nor the new file")
    return found


def _is_temporary(name: str) -> bool:
    return name.startswith("tmp/") or name.endswith((".tmp", ".anb-export-new.onnx"))


def _manifest_faults(place: Path, folder: Path, before: Tree, after: Tree) -> list[str]:
    try:
        catalog = Catalog.read(place)
        read_golden(place)
        read_truth(place)
        for artifact in catalog.artifacts:
            name = str((place / f"{artifact.target.name}.onnx").relative_to(folder))
            if artifact.read() not in (before.get(name), after.get(name)):
                return [f"{name} is listed with other content"]
    except ValueError as error:
        return [str(error)]
    return []


@dataclass
class Counts:
    """What was tried and found."""

    points: int = 0
    faults: list[str] = field(default_factory=list)


def try_scenario(
    root: Path,
    scenario: Scenario,
    choose: Callable[[int], Sequence[int]] = lambda n: range(1, n + 1),
) -> Counts:
    """Kill a command at the points that `choose` returns of all n, and check what is left."""
    start = _start(root, scenario)
    before = tree(start)
    whole = _copy(start, root / "whole")
    n = run(whole, scenario.command)
    assert n is not None
    after = tree(whole)
    # What is already there is taken, and the bytes stay the same.
    run(whole, scenario.command)
    counts = Counts()
    if tree(whole) != after:
        counts.faults.append(f"{scenario.name}: run again without a kill, it writes other bytes")
    for k in choose(n):
        folder = _copy(start, root / "killed")
        if run(folder, scenario.command, kill_at=k) is not None:
            counts.faults.append(f"{scenario.name}: point {k} of {n} was not reached")
            continue
        counts.points += 1
        found = faults(folder, before, after)
        run(folder, scenario.command)
        found += _differences(folder, after)
        counts.faults += [f"{scenario.name}, point {k} of {n}: {text}" for text in found]
    return counts


def _differences(folder: Path, after: Tree) -> list[str]:
    left = tree(folder)
    found = sorted(name for name in {*left, *after} if left.get(name) != after.get(name))
    return [f"run again, these differ: {', '.join(found)}"] if found else []


def try_full_disk(root: Path, scenario: Scenario, choose: Callable[[int], Sequence[int]]) -> Counts:
    """As `try_scenario`, where files cannot grow beyond the size of one of those it writes."""
    start = _start(root, scenario)
    before = tree(start)
    whole = _copy(start, root / "whole")
    run(whole, scenario.command)
    after = tree(whole)
    sizes = sorted({len(content) - 1 for content in after.values() if content})
    counts = Counts()
    for k in choose(len(sizes)):
        folder = _copy(start, root / "full")
        found = []
        try:
            run(folder, scenario.command, most_bytes=sizes[k - 1])
            # All that it would have written was there already, or fits.
        except Failed as error:
            lines = [line for line in str(error).splitlines() if "cannot write" in line]
            if len(lines) != 1 or "Traceback" in str(error):
                found.append(f"it ended with: {error}")
        counts.points += 1
        found += faults(folder, before, after)
        run(folder, scenario.command)
        found += _differences(folder, after)
        counts.faults += [f"{scenario.name}, {sizes[k - 1]} bytes: {text}" for text in found]
    return counts


def _start(root: Path, scenario: Scenario) -> Path:
    """Make the folder that the command starts from."""
    start = root / "start"
    shutil.rmtree(start, ignore_errors=True)
    start.mkdir()
    if scenario.given is not None:
        shutil.copytree(scenario.given, start / "out")
    for command in scenario.before:
        run(start, command)
    shutil.rmtree(start / "tmp", ignore_errors=True)
    return start


def _copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))


def main() -> int:
    """Try all scenarios, or so many random points of them; print counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, help="random points of each command (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="this scenario; may be repeated")
    parser.add_argument("--full", action="store_true", help="a full disk instead of kills")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)

    def choose(n: int) -> Sequence[int]:
        return sorted(draw.sample(range(1, n + 1), min(arguments.points or n, n)))

    what = "full disks" if arguments.full else "kills"
    every: list[str] = []
    total = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        for scenario in scenarios(prepare(root)):
            if arguments.only and scenario.name not in arguments.only:
                continue
            attempt = try_full_disk if arguments.full else try_scenario
            found = attempt(root, scenario, choose)
            line = f"{scenario.name:20} {found.points:4} {what}, {len(found.faults)} faults"
            print("\n".join([line, *found.faults]), flush=True)
            total += found.points
            every += found.faults
    print(f"{'in all':20} {total:4} {what}, {len(every)} faults")
    return 1 if every else 0


if __name__ == "__main__":
    raise SystemExit(main())
