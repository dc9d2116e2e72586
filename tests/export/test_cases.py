"""Inputs that failed once, replayed from public bug reports: each script, and what it must print.

The scripts are not part of the repository. They lie beside the data set; each prints what it
expected and what it got, and writes beside itself, so that a copy is run.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from measured_data import need_data

BIN = Path(sys.executable).parent
#: What has changed since the reports were written: a module lies elsewhere, and calls name the
#: search space that they meant.
CHANGED = {
    r"anb_export\.formats": "anb_export.models.formats",
    r"(anb_onnx\.sample\([^()]*)\)": r"\1, space=anb_onnx.MNASNET)",
    r"(Architecture\.from_codes\(\w+)\)": r"\1, space=anb_onnx.MNASNET)",
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = need_data("../cases") / "../cases"
    folder = tmp_path_factory.mktemp("replayed") / "cases"
    shutil.copytree(source, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    for script in (folder / "common.py", *folder.glob("*/run.*")):
        text = script.read_text()
        for before, after in CHANGED.items():
            text = re.sub(before, after, text)
        script.write_text(text)
    return folder


def play(cases: Path, name: str) -> tuple[str, str]:
    """Run a case's script; return what stood on standard output and on standard error."""
    folder = cases / name
    script = next(folder.glob("run.*"))
    command = [sys.executable, "run.py"] if script.suffix == ".py" else ["bash", "run.sh"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "BIN": f"{BIN}/"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout, done.stderr


def differences(printed: str) -> Iterator[tuple[str, float]]:
    """Yield a case's labels, and the largest difference of each in standard deviations."""
    pattern = r"^(.*?): expected .* largest difference (\S+) \(std of the predictions (\S+)\)$"
    for label, difference, std in re.findall(pattern, printed, re.MULTILINE):
        yield label, float(difference) / float(std)


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("lgb_rf_best_iteration", 2),
        ("lgb_pandas_categories", 1),
        ("np_str_param", 4),
        ("numbered_columns", 3),
    ],
)
def test_models_predict_what_their_libraries_do(cases: Path, name: str, models: int) -> None:
    printed, _ = play(cases, name)
    assert "REFUSED" not in printed
    found = list(differences(printed))
    assert len(found) == models
    # float32 sums of the libraries themselves; a wrong scale or column costs whole deviations.
    assert max(difference for _, difference in found) < 1e-5


def test_models_of_values_are_refused_with_the_evidence(cases: Path) -> None:
    printed, _ = play(cases, "trained_on_values")
    refused = re.findall(r"^(\w+): REFUSED .*--trained-on values", printed, re.MULTILINE)
    assert refused == ["XGBRegressor", "LGBMRegressor", "RandomForestRegressor", "SVR"]
    assert "81 of 140" in printed.splitlines()[0]


@pytest.fixture(scope="module")
def refused_files(cases: Path) -> list[str]:
    return play(cases, "not_a_model_messages")[1].splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("lfs.ubj", "Git LFS", "git lfs pull"),
        ("page.ubj", "web page"),
        ("dump.json", "dump_model", "save_model"),
        ("dump.txt", "dump_model", "save_model"),
        ("lgb_dump.json", "dump_model", "save_model"),
    ],
    ids=lambda words: words[0],
)
def test_what_is_no_model_is_named(refused_files: list[str], words: tuple[str, ...]) -> None:
    [line] = [line for line in refused_files if line.startswith(f"anb-export: error: {words[0]}")]
    for word in words[1:]:
        assert word in line


def test_row_numbers_are_no_architectures(cases: Path) -> None:
    printed, errors = play(cases, "index_column_ignore_extra")
    assert printed == ""
    assert errors.startswith("anb-onnx: error: rows.csv: ")
    assert "--index-column" in errors


def test_special_files_stay_what_they_are(cases: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root makes device nodes")
    printed, _ = play(cases, "out_replaces_special_files")
    folder = cases / "out_replaces_special_files"
    assert stat.S_ISCHR((folder / "null").stat().st_mode)
    assert stat.S_ISFIFO((folder / "fifo").stat().st_mode)
    assert (folder / "link.csv").is_symlink()
    assert (folder / "stdout").is_symlink()
    assert (folder / "real.csv").stat().st_size > 0  # the link's target was written
    codes = dict(re.findall(r"--out (\S+): rc (\d+)", printed))
    assert codes == {"null": "0", "fifo": "2", "link.csv": "0", "stdout": "0"}


def test_full_and_closed_streams_end_in_one_line(cases: Path) -> None:
    _, errors = play(cases, "stdout_traceback")
    lines = errors.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("anb-onnx: error: ") for line in lines)
