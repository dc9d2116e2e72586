from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from anb_export.dataset import MAX_RECORD_BYTES, Dataset, DatasetError, read_dataset

from anb_onnx.errors import AnbError

from .synthetic import CHOICES, choices, record, records, write_folder, write_tar


def broken(change: object) -> dict[str, bytes]:
    contents = records(3)
    content = record(1)
    change(content)  # type: ignore[operator]
    contents["result_1.json"] = json.dumps(content).encode()
    return contents


def test_rows_are_the_records(dataset: Dataset) -> None:
    assert dataset.names[:12:11] == ("result_0.json", "result_11.json")  # by number, not by text
    for row in (0, 1, 13, len(dataset) - 1):
        wanted = record(row)
        codes = [
            choices(block, gene).index(wanted["architecture"][f"block{block}_{gene}"])
            for block in range(7)
            for gene in CHOICES
        ]
        assert dataset.codes[row].tolist() == codes
        assert dataset.values["accuracy"][row] == wanted["metrics"]["val_top1"]
        assert dataset.values["params"][row] == wanted["model_info"]["params"]
        mean = wanted["platform_perf"]["throughput_tpuv2"]["throughput_mean"]
        assert np.isnan(dataset.values["throughput_tpuv2"][row]) == (mean is None)
        assert (
            dataset.values["latency_vck190"][row]
            == (wanted["platform_perf"]["latency_vck190"]["latency_mean"])
        )
    assert dataset.stds["throughput_a100"].tolist() == [0.5] * len(dataset)
    assert np.isnan(dataset.stds["accuracy"]).all()


def test_archive_and_folder_are_equal(tmp_path: Path) -> None:
    contents = records(12)
    archive = read_dataset(write_tar(tmp_path / "a.tar.gz", contents))
    shuffled = dict(sorted(contents.items(), key=lambda item: item[1]))
    other = read_dataset(write_tar(tmp_path / "b.tar", shuffled, prefix=""))
    folder = read_dataset(write_folder(tmp_path / "f", contents))
    outer = read_dataset(write_folder(tmp_path / "outer" / "inner", contents).parent)
    assert archive.sha256 == other.sha256 == folder.sha256 == outer.sha256
    assert archive.names == folder.names == other.names
    contents["result_3.json"] += b" "
    assert read_dataset(write_folder(tmp_path / "g", contents)).sha256 != archive.sha256


def test_missing_values_are_dropped_with_a_count(dataset: Dataset) -> None:
    rows = np.arange(25)[::-1]
    kept, dropped = dataset.labelled("throughput_tpuv2", rows)
    assert dropped == 3  # records 3, 13, 23
    assert kept.tolist() == [row for row in rows if row % 10 != 3]
    with pytest.raises(DatasetError, match="none of the 1 records"):
        dataset.labelled("throughput_tpuv2", np.array([3]))
    with pytest.raises(AnbError, match=r"throughput_tpu'.*valid targets: accuracy"):
        dataset.labelled("throughput_tpu", rows)


def test_repeated_architectures(tmp_path: Path) -> None:
    contents = records(4)
    contents["result_9.json"] = contents["result_2.json"]
    dataset = read_dataset(write_folder(tmp_path, contents))
    groups = dataset.groups()
    assert groups[4] == groups[2]
    assert len(set(groups.tolist())) == 4
    assert dataset.is_unique().tolist() == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("architecture"), "result_1.json: key 'architecture' is missing"),
        (lambda r: r.update(architecture=[1]), "result_1.json: architecture must be an object"),
        (lambda r: r["architecture"].pop("block3_k"), "result_1.json.*block3_k"),
        (lambda r: r["architecture"].update(block3_k=7), "result_1.json.*block3_k.*7"),
        (lambda r: r["architecture"].update(block0_e=True), "result_1.json.*block0_e"),
        (lambda r: r["architecture"].update(block9_e=1), "result_1.json.*block9_e"),
        (lambda r: r["metrics"].pop("val_top1"), "result_1.json: key 'metrics.val_top1' is miss"),
        (lambda r: r.update(model_info=None), "result_1.json: model_info must be an object"),
        (lambda r: r["metrics"].update(val_top1="70"), "metrics.val_top1 must be a finite.*'70'"),
        (lambda r: r["metrics"].update(val_top1=True), "metrics.val_top1 must be a finite"),
        (lambda r: r["metrics"].update(val_top1=float("nan")), "metrics.val_top1 must be a fin"),
        (lambda r: r["metrics"].update(val_top1=10**400), "metrics.val_top1 must be a finite"),
    ],
)
def test_malformed_records_are_named(tmp_path: Path, change: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_dataset(write_folder(tmp_path, broken(change)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "expected an object at the top, found list"),
        (b'{"metrics": {}, "metrics": {}}', "key 'metrics' appears twice"),
        (b"[" * 100_000, "is not JSON"),
        (b" " * (MAX_RECORD_BYTES + 1), f"allowed {MAX_RECORD_BYTES}"),
    ],
)
def test_content_that_is_no_record(tmp_path: Path, content: bytes, message: str) -> None:
    contents = records(2) | {"result_5.json": content}
    for path in (
        write_tar(tmp_path / "a.tar.gz", contents),
        write_folder(tmp_path / "f", contents),
    ):
        with pytest.raises(DatasetError, match=f"result_5.json.*{message}"):
            read_dataset(path)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("../result_1.json", tarfile.REGTYPE, "points outside"),
        ("a/../../result_1.json", tarfile.REGTYPE, "points outside"),
        ("/tmp/result_1.json", tarfile.REGTYPE, "points outside"),
        ("result_1.json", tarfile.SYMTYPE, "not a regular file"),
        ("result_1.json", tarfile.LNKTYPE, "not a regular file"),
        ("result_1.json", tarfile.FIFOTYPE, "not a regular file"),
        ("result_1.json", tarfile.CHRTYPE, "not a regular file"),
        ("result_01.json", tarfile.REGTYPE, "not named result_N.json"),
        ("evil.py", tarfile.REGTYPE, "not named result_N.json"),
        ("other/result_0.json", tarfile.REGTYPE, "result_0.json appears twice"),
    ],
)
def test_archive_members_are_checked(tmp_path: Path, name: str, kind: bytes, message: str) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member_name, member_kind in (("d/result_0.json", tarfile.REGTYPE), (name, kind)):
            member = tarfile.TarInfo(member_name)
            member.type = member_kind
            member.linkname = "/etc/passwd"
            content = json.dumps(record(0)).encode() if member_kind == tarfile.REGTYPE else b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(DatasetError, match=message):
        read_dataset(path)


def test_paths_that_hold_no_data(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set at"):
        read_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"holds no result_N.json"):
        read_dataset(tmp_path)
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(DatasetError, match="cannot read the data set"):
        read_dataset(tmp_path / "text")
    whole = write_tar(tmp_path / "a.tar.gz", records(20)).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="cannot read the data set"):
        read_dataset(tmp_path / "cut.tar.gz")
    for name in ("a", "b"):
        write_folder(tmp_path / "two" / name, records(1))
    with pytest.raises(DatasetError, match="2 subfolders"):
        read_dataset(tmp_path / "two")


def test_published_measurements(published: Dataset) -> None:
    assert len(published) == 5138
    assert int(published.is_unique().sum()) == 5125
    missing = {name: int(np.isnan(v).sum()) for name, v in published.values.items()}
    assert {name: count for name, count in missing.items() if count} == {
        "throughput_tpuv2": 37,
        "throughput_tpuv3": 44,
        "throughput_3090": 3,
        "throughput_zcu102": 2,
        "throughput_vck190": 2,
        "latency_zcu102": 2,
        "latency_vck190": 2,
    }
    # MACs are a sum over blocks: what one-hot encoded blocks do not explain is rounding.
    symbols = published.codes.reshape(-1, 7, 4) @ np.array([48, 24, 2, 1])  # any injective map
    hot = np.concatenate(
        [(symbols[:, [b]] == np.unique(symbols[:, b])) for b in range(7)], axis=1
    ).astype(float)
    y = published.values["macs"]
    fit = hot @ np.linalg.lstsq(hot, y, rcond=None)[0]
    assert np.abs(fit - y).max() < 1e-8
