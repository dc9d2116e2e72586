"""Every kind of predictor becomes an artifact, in the form that its page says, or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from anb_export.data.targets import TargetSpec
from anb_export.predictors.artifact import to_surrogate
from anb_export.predictors.contract import Kind, PredictorError
from anb_export.predictors.registry import KINDS, UNAVAILABLE, fit, kind_of
from tools import need_tool

from anb_onnx import load
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import Block, Gene, SearchSpace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "predictor-kinds.md"
if not PAGE.is_file():
    pytest.skip("needs the pages in docs, part of the repository", allow_module_level=True)

LATENCY = TargetSpec("latency_phone", "latency", "phone", "ms", "min")
#: Small, and known to nobody.
TINY = SearchSpace(
    "tiny",
    (
        Block("first", (Gene("op", ("conv", "pool", "skip")), Gene("width", (16, 24, 32)))),
        Block("second", (Gene("op2", ("conv", "pool", "skip")), Gene("se", (True, False)))),
        Block("third", (Gene("depth", (1, 2, 3)),)),
    ),
)


def rows_of(part: str) -> dict[str, list[str]]:
    """The rows of a table of the page, by their first cell."""
    text = PAGE.read_text("utf-8")
    found = re.search(rf"<!-- {part}:begin -->\n(.*?)<!-- {part}:end -->", text, re.DOTALL)
    assert found is not None
    cells = [line.strip("| ").split(" | ") for line in found.group(1).splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in cells}


TABLE = rows_of("kinds")


def test_the_page_lists_what_there_is() -> None:
    assert list(TABLE) == [kind.name for kind in KINDS]
    assert {name: cells[0] for name, cells in rows_of("unavailable").items()} == UNAVAILABLE


SPACES = {"small spaces": TINY, "MnasNet": MNASNET, "FBNet": FBNET}


@pytest.mark.parametrize("column", SPACES)
@pytest.mark.parametrize("name", TABLE)
def test_a_kind_has_the_form_that_the_page_says(
    name: str, column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each round of NGBoost takes milliseconds, and 400 of them are no other form.
    monkeypatch.setattr("anb_export.predictors.forests._NGBOOST_ROUNDS", 20)
    kind, space = kind_of_installed(name), SPACES[column]
    _, members, *forms = TABLE[name]
    form = forms[[*SPACES].index(column)]
    if kind.live and column == "small spaces":
        space = NASBENCH201
    codes = sample(24, seed=0, space=space)
    values = 10 + codes @ np.linspace(1, 2, space.n_genes) + 0.3 * np.cos(7.0 * codes[:, 0])
    if form == "-":
        why = r"is known to change nothing|has more than 131,072"
        with pytest.raises(PredictorError, match=why):
            fit(name, codes, values, space=space, target=LATENCY)
        return
    predictor = fit(name, codes, values, space=space, target=LATENCY)
    surrogate = to_surrogate(predictor, LATENCY)
    assert surrogate.metadata["form"] == form
    assert str(surrogate.n_members) in members.split(", ")
    path = surrogate.save(tmp_path / "phones")
    test = sample(100, seed=1, space=space)
    mean, std = predictor.predict(test)
    with load("latency_phone", path=path.parent) as loaded:
        found = loaded.query(test)
    spread = mean.std() + 1e-3
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6, atol=1e-3 * spread)
    np.testing.assert_allclose(found.std, std, rtol=1e-3, atol=1e-3 * spread)
    lower, upper = found.interval(0.9)
    assert (lower < mean).all()
    assert (upper > mean).all()


def kind_of_installed(name: str) -> Kind:
    kind = {kind.name: kind for kind in KINDS}[name]
    if kind.needs is not None:
        need_tool(kind.needs)
    return kind_of(name)
