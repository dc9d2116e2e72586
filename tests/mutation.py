"""Changes the code at random places, one at a time, and runs the tests that ought to notice.

``python tests/mutation.py`` draws so many mutants of each module of `MODULES` and prints how many
the module's tests killed; the others are printed as diffs. Everything runs in a copy of the
checkout, so the checkout may be worked on meanwhile. docs/mutation.md has the results.

cosmic-ray makes the mutants: other operators, comparisons and numbers, conditions negated, `and`
for `or`, decorators removed, loops left out, other exceptions caught. Left out are those that can
change nothing: in annotations, and `is` for `==` or the other way round. A mutant on which the
tests take ten times as long as without it counts as killed, as cosmic-ray has it.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.testing import run_tests
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome
from measured_data import VARIABLE, data_folder

ROOT = Path(__file__).resolve().parents[1]

# Without what is slow and about a process, not about numbers and errors.
_ENCODING = "tests/test_encoding.py -k 'not shared_cache'"
_NATIVE = (
    "tests/test_engine_native.py tests/test_engine_native_terms.py -k 'bits or spaces or "
    "extreme or batches or views or address or refused or told_apart or boundary or fused or "
    "laid_out or words or sign or slot or entries or checked'"
)

#: The tests of each module that ought to kill its mutants, as arguments of pytest.
MODULES = {
    "anb_onnx/encoding/encoding.py": _ENCODING,
    "anb_onnx/spaces/matrix.py": _ENCODING,
    "anb_onnx/terms.py": "tests/test_terms.py",
    "anb_onnx/tables.py": "tests/test_tables.py tests/test_hostile_artifacts.py",
    "anb_onnx/links.py": "tests/test_links.py tests/test_regimes.py",
    "anb_onnx/regimes.py": "tests/test_regimes.py tests/test_links.py",
    "anb_onnx/engines/native/symbols.py": _NATIVE,
    "anb_onnx/engines/native/layout.py": _NATIVE,
    "anb_onnx/engines/native/arithmetic.py": _NATIVE,
    "anb_onnx/engines/native/unrolled.py": _NATIVE,
    "anb_onnx/engines/native/looped.py": _NATIVE,
    "anb_onnx/engines/native/kernels.py": _NATIVE,
    "anb_onnx/engines/numpy_engine.py": "tests/test_engine_reference.py",
    "export/anb_export/tables/compile.py": "tests/export/test_compile.py",
    "export/anb_export/tables/leaves.py": "tests/export/test_compile.py",
    "export/anb_export/tables/_leaves_numba.py": "tests/export/test_compile.py",
}


def command(module: str) -> str:
    """The command that tests a module: the first failure is enough, and luck plays no part."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    return shlex.join([*words, "--hypothesis-seed=0", *shlex.split(MODULES[module])])


def copy_checkout(target: Path) -> None:
    """Copy all files of the checkout that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def mutants(module: str) -> list[MutationSpec]:
    """All mutants of a module that could change what it does, in a fixed order."""
    with use_db(Path("mutants.sqlite")) as database:
        init([Path(module)], database, {})
        found = [mutation for item in database.work_items for mutation in item.mutations]
    quiet = list(_annotations(ast.parse(Path(module).read_text("utf-8"))))
    return sorted(
        (
            one
            for one in found
            if not any(start <= one.start_pos and one.end_pos <= end for start, end in quiet)
            and one.operator_name.rpartition("_")[2] not in ("Is", "IsNot")
            and not one.operator_name.endswith(("_Is_Eq", "_IsNot_NotEq"))
        ),
        key=lambda one: (one.start_pos, one.operator_name, one.occurrence),
    )


def _annotations(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The places of all annotations, which nobody evaluates."""
    for node in ast.walk(tree):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.AnnAssign) and getattr(node.annotation, "id", "") == "TypeAlias":
            parts.append(node.value)
        for part in parts:
            if isinstance(part, ast.expr):
                end = (part.end_lineno or 0, part.end_col_offset or 0)
                yield (part.lineno, part.col_offset), end


def baseline(module: str) -> float:
    """Return the seconds that the tests take. They must pass, and notice that a module is broken.

    That they do shows that they load the file that is mutated, and not one from a cache.
    """
    start = time.monotonic()
    outcome, output = run_tests(command(module), None)
    seconds = time.monotonic() - start
    if outcome is not TestOutcome.SURVIVED:
        raise SystemExit(f"{module}: the tests fail without a mutant\n{output[-3000:]}")
    whole = Path(module).read_bytes()
    Path(module).write_bytes(whole + b"\nraise RuntimeError('lethal')\n")
    outcome, _ = run_tests(command(module), None)
    Path(module).write_bytes(whole)
    if outcome is not TestOutcome.KILLED:
        raise SystemExit(f"{module}: its tests do not notice a lethal mutant")
    return seconds


def name_of(mutation: MutationSpec) -> str:
    """The name of a mutant, as long as its module stays as it is."""
    return f"{mutation.operator_name.removeprefix('core/')}:{mutation.occurrence}"


def try_module(module: str, choose: Callable[[list[MutationSpec]], list[int]]) -> Counter[str]:
    """Try the mutants of a module whose numbers are chosen; print those that survive."""
    seconds = baseline(module)
    every = mutants(module)
    chosen = choose(every)
    counts = Counter(mutants=len(every), tried=len(chosen))
    for mutation in (every[k] for k in chosen):
        result = mutate_and_test([mutation], command(module), 30 + 10 * seconds)
        killed = result.test_outcome is not TestOutcome.SURVIVED
        counts["killed" if killed else "survived"] += 1
        counts["timeouts"] += result.output == "timeout"
        if not killed:
            print(f"{name_of(mutation)}\n{result.diff}\n", flush=True)
    return counts


def main() -> int:
    """Try mutants of all modules, or of some; print counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help=f"(default: all) of {', '.join(MODULES)}")
    parser.add_argument("--count", type=int, default=40, help="mutants of each module; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="this mutant, by the name it is printed by")
    arguments = parser.parse_args()
    unknown = set(arguments.modules) - set(MODULES)
    if unknown:
        parser.error(f"no tests are stated for {', '.join(sorted(unknown))}")

    def choose(every: list[MutationSpec]) -> list[int]:
        if arguments.only:
            return [k for k, one in enumerate(every) if name_of(one) in arguments.only]
        count = min(arguments.count or len(every), len(every))
        return sorted(random.Random(arguments.seed).sample(range(len(every)), count))

    survived = 0
    with tempfile.TemporaryDirectory() as name:
        copy_checkout(Path(name))
        os.chdir(name)
        os.environ["PYTHONPATH"] = os.pathsep.join([name, str(Path(name, "export"))])
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        os.environ["NUMBA_CACHE_DIR"] = str(Path(name, "numba"))
        os.environ[VARIABLE] = str(data_folder())
        for module in arguments.modules or MODULES:
            counts = try_module(module, choose)
            survived += counts["survived"]
            print(
                f"{module}: {counts['mutants']} mutants, {counts['tried']} tried, "
                f"{counts['killed']} killed ({counts['timeouts']} by time), "
                f"{counts['survived']} survived",
                flush=True,
            )
        os.chdir(ROOT)
    return 1 if survived else 0


if __name__ == "__main__":
    raise SystemExit(main())
