"""`python -m benchmarks.equal_cost`: its table says what the runs say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from anb_onnx.experiments.grid import read_history
from benchmarks import equal_cost

TASK = "accuracy-v1"
HOURS = 20.0


def test_the_table_says_what_the_runs_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(equal_cost, "TASKS", (TASK,))
    monkeypatch.setattr(equal_cost, "OPTIMIZERS", ("random", "local-search"))
    given = ["--seeds", "3", "--hours", f"{HOURS:g}", "--out", str(tmp_path)]
    assert equal_cost.main(given) == 0
    printed = capsys.readouterr().out
    rows = re.findall(r"^\| (random|local-search) \| (.+) \|$", printed, re.M)
    cells = {name: row.split(" | ") for name, row in rows}
    count = int(cells["random"][0])
    assert f"after {count} evaluations" in printed
    for name, found in cells.items():
        for place, folder in enumerate(("cost", "evaluations")):
            paths = sorted((tmp_path / folder / TASK / name).glob("seed-*.parquet"))
            runs = [read_history(path) for path in paths]
            assert len(runs) == 3
            regret = np.median([run.regret[-1] for run in runs])
            assert found[3 * place + 1].startswith(f"{regret:.3g} (")
            if place:
                assert {len(run) for run in runs} == {count}
                assert found[3] == f"{np.median([run.spent[-1] for run in runs]) / 3600:.0f}"
            else:
                assert max(run.spent[-1] for run in runs) <= HOURS * 3600
                assert found[0] == f"{np.median([len(run) for run in runs]):.0f}"
