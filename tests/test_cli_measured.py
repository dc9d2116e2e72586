"""Files of measurements: what a user may do to the file that `suggest` wrote."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx import FBNET, MNASNET, NASBENCH201, sample
from anb_onnx.cli.measured import MeasuredFile, read_measured, write_to_measure
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.nasbench201 import to_arch_string
from anb_onnx.spaces.space import SearchSpace

SPACES = {space.name: space for space in (MNASNET, NASBENCH201, FBNET)}
#: An integer gene and a boolean one, so that a whole table is a few characters.
SMALL = SearchSpace.from_dict(
    {
        "name": "small",
        "blocks": [
            {"name": "b", "genes": [{"name": "k", "choices": [3, 5, 7]}]},
            {"name": "c", "genes": [{"name": "se", "choices": [False, True]}]},
        ],
    }
)


def written(space: SearchSpace, codes: Any) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        write_to_measure(str(path), "csv", codes, space)
        return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def read(folder: Path, text: str, space: SearchSpace = SMALL, **options: Any) -> MeasuredFile:
    path = folder / "measured.csv"
    path.write_bytes(text.encode())
    return read_measured(str(path), space, **options)


@pytest.mark.parametrize("name", SPACES)
def test_what_suggest_writes_is_read_with_a_column_more(tmp_path: Path, name: str) -> None:
    space = SPACES[name]
    codes = sample(5, seed=2, space=space)
    header, *rows = written(space, codes)
    assert header[0] == "index"
    assert ("architecture" in header) == (name == "nasbench201")
    values = ["1.5", "", "2.5", "3.5e0", " "]
    lines = [[*header, "value"], *([*row, v] for row, v in zip(rows, values, strict=True))]
    text = "".join(",".join(line) + "\r\n" for line in lines)
    found = read(tmp_path, "\ufeff" + text, space)
    np.testing.assert_array_equal(found.codes, codes[[0, 2, 3]])
    assert found.values.tolist() == [1.5, 2.5, 3.5]
    assert (found.lines, found.skipped) == ((2, 4, 5), 2)
    assert found.std is None
    assert found.repeats is None
    # Any one way to name an architecture is enough.
    for column in {"index", "architecture"} & set(header):
        place = header.index(column)
        short = "".join(f"{line[place]},{line[-1]}\n" for line in lines)
        np.testing.assert_array_equal(read(tmp_path, short, space).codes, found.codes)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, SMALL.size - 1),
            st.none() | st.floats(1e-3, 1e3),
            st.none() | st.integers(1, 9),
        ),
        max_size=9,
    ),
    order=st.permutations(["k", "se", "value", "repeats"]),
)
def test_any_table_in_any_order_of_columns(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, float | None, int | None]],
    order: list[str],
) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, order)
    writer.writeheader()
    for index, value, repeats in rows:
        genes = Architecture.from_index(index, space=SMALL).to_values()
        writer.writerow({**genes, "value": value, "repeats": repeats})
    found = read(tmp_path_factory.mktemp("any"), stream.getvalue())
    kept = [row for row in rows if row[1] is not None]
    assert codes_to_indices(found.codes, SMALL).tolist() == [index for index, _, _ in kept]
    assert found.values.tolist() == [value for _, value, _ in kept]
    assert found.repeats is not None
    assert found.repeats.tolist() == [repeats or 1 for _, _, repeats in kept]
    assert found.skipped == len(rows) - len(kept)


def test_another_name_for_the_values_and_the_indices(tmp_path: Path) -> None:
    found = read(
        tmp_path, "which,ms\n5,1\n0,2\n", value="ms", index_column="which", ignore_extra=False
    )
    assert codes_to_indices(found.codes, SMALL).tolist() == [5, 0]


def test_a_spelling_is_an_architecture(tmp_path: Path) -> None:
    found = read(tmp_path, 'architecture,value\n"[5, true]",1\n4,2\n')
    assert codes_to_indices(found.codes, SMALL).tolist() == [3, 4]


def test_indices_that_a_spreadsheet_or_pandas_made_do_no_harm(tmp_path: Path) -> None:
    genes = "3,False,1.0\n7,True,2.0\n"
    rounded = "".join(f"9.8E+10,{row}\n" for row in genes.split())
    assert len(read(tmp_path, "index,k,se,value\n" + rounded).values) == 2
    numbers = "".join(f"{number},{row}\n" for number, row in enumerate(genes.split()))
    assert len(read(tmp_path, "index,k,se,value\n" + numbers).values) == 2


REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "column 'index' is missing (there are none)"),
    "no value": ("k,se\n3,True\n", "column 'value', of the measured values, is missing"),
    "other value": ("k,se,latency\n3,True,5\n", "--value-column NAME says which it is"),
    "unknown column": ("k,se,value,sd\n3,True,5,1\n", "unknown column 'sd'; --ignore-extra"),
    "missing gene": ("k,value\n3,5\n", "column 'se' is missing"),
    "no architecture": ("name,value\na,5\n", "its 2 genes (k ... se), by 'architecture' or by"),
    "twice": ("k,se,value,value\n3,True,5,5\n", "column 'value' occurs twice"),
    "row numbers": ("index,value\n0,5\n1,6\n", "as row numbers do; --index-column index"),
    "gene": ("k,se,value\n3,True,1\n4,True,5\n", "line 3: gene 'k': '4' is not allowed"),
    "no index": ("index,value\n5,1\n6,5\n", "line 3: index 6 is out of range; allowed are 0 to 5"),
    "float index": ("index,value\n5.5,1\n", "line 2: column 'index': '5.5' is not an integer"),
    "spelling": ("architecture,value\n5,1\nB0,2\n", "line 3: 'B0' is no architecture"),
    "unit": ("k,se,value\n3,True,5 ms\n", "line 2, column 'value': .* leave 'ms' out"),
    "comma": ('k,se,value\n3,True,"5,3"\n', "a dot separates decimals"),
    "nan": ("k,se,value\n3,True,nan\n", "line 2, column 'value': the value must be a decimal"),
    "infinite": ("k,se,value\n3,True,1e999\n", "is too large for a number"),
    "std": ("k,se,value,std\n3,True,5,?\n", "line 2, column 'std'"),
    "contradiction": (
        "index,k,se,value\n1,3,True,1\n2,7,True,1\n",
        "line 3: column 'index' is of the architecture with index 2, but the genes are of that "
        "with index 5",
    ),
    "semicolons": ("k;se;value\n3;True;5\n", "separated by ';'"),
    "short line": ("k,se,value\n3,True\n", "line 2: 2 cells, the header has 3"),
    "open quote": ('k,se,value\n3,True,"5\n', "not valid CSV"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(tmp_path: Path, name: str) -> None:
    text, words = REFUSED[name]
    pattern = words if ".*" in words else None
    with pytest.raises(AnbError, match=pattern) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'measured.csv'}: ")
    assert pattern or words in message


def test_values_in_a_column_that_means_something_else(tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="column 'std' cannot hold the values"):
        read(tmp_path, "k,se,std\n3,True,5\n", value="std")


def test_strings_that_contradict_the_genes(tmp_path: Path) -> None:
    header, row = written(NASBENCH201, sample(1, seed=0, space=NASBENCH201))
    row[1] = to_arch_string(Architecture.from_index(77, space=NASBENCH201))
    text = ",".join([*header, "value"]) + "\n" + ",".join([*row, "3"]) + "\n"
    with pytest.raises(AnbError, match=r"line 2: column 'architecture' is of .* index 77"):
        read(tmp_path, text, NASBENCH201)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="cannot be read"):
        read_measured(str(tmp_path / "none.csv"), SMALL)
    (tmp_path / "wide.csv").write_bytes("k,se,value\n".encode("utf-16"))
    with pytest.raises(AnbError, match="UTF-16"):
        read_measured(str(tmp_path / "wide.csv"), SMALL)


@pytest.mark.parametrize("meant", ["mnasnet", "fbnet"])
def test_genes_of_another_space_are_told_from_unknown_columns(tmp_path: Path, meant: str) -> None:
    """As where --benchmark was forgotten: the indices alone would name other architectures."""
    header, *rows = written(NASBENCH201, sample(3, seed=0, space=NASBENCH201))
    text = "".join(
        ",".join(line) + "\n" for line in [[*header, "value"], *([*r, "1"] for r in rows)]
    )
    with pytest.raises(AnbError, match=rf"'edge_1_0' is a gene of .*'nasbench201', but '{meant}'"):
        read(tmp_path, text, SPACES[meant])
