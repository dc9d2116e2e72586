from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.data import accel_nasbench as module
from anb_export.data.accel_nasbench import MAX_BYTES, MAX_BYTES_VARIABLE, MAX_RECORD_BYTES
from anb_export.data.dataset import Dataset, DatasetError
from anb_export.data.read import read_dataset
from anb_export.data.splits import SplitError, read_split

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
        (lambda r: r["metrics"].update(val_top1=float("nan")), "NaN is not a number of JSON"),
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
        (b'{"metrics": {}, "metrics": {}}', "key 'metrics' stands twice"),
        (b"[" * 100_000, "is not JSON"),
        (b" " * (MAX_RECORD_BYTES + 1), f"{MAX_RECORD_BYTES + 1} bytes, .*{MAX_RECORD_BYTES}"),
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


def test_the_limit_is_on_all_records_together(tmp_path: Path) -> None:
    """7,000 records of one MiB of blanks are an archive of 7 MB."""
    block = b" " * MAX_RECORD_BYTES
    path = tmp_path / "bomb.tar.gz"
    with gzip.GzipFile(path, "wb", compresslevel=1) as file:
        for number in range(7000 if os.environ.get("CI") else 200):
            member = tarfile.TarInfo(f"result_{number}.json")
            member.size = len(block)
            file.write(member.tobuf() + block)
        file.write(bytes(1024))
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match=rf"{MAX_BYTES} bytes .*{MAX_BYTES_VARIABLE} sets"):
            read_dataset(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [True, False])
def test_the_limit_can_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    contents = records(3)
    path = (
        write_tar(tmp_path / "a.tar.gz", contents)
        if packed
        else write_folder(tmp_path / "f", contents)
    )
    size = (
        len(gzip.decompress(path.read_bytes()))
        if packed
        else sum(512 + len(content) for content in contents.values())
    )
    monkeypatch.setenv(MAX_BYTES_VARIABLE, str(size))
    assert len(read_dataset(path)) == 3
    monkeypatch.setenv(MAX_BYTES_VARIABLE, str(size - 1))
    with pytest.raises(DatasetError, match=f"more than {size - 1} bytes"):
        read_dataset(path)
    monkeypatch.setenv(MAX_BYTES_VARIABLE, "1 GB")
    with pytest.raises(AnbError, match=f"{MAX_BYTES_VARIABLE} must be a number of bytes"):
        read_dataset(path)


def test_many_empty_records_are_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, dict.fromkeys((f"result_{k}.json" for k in range(11)), b""))
    monkeypatch.setenv(MAX_BYTES_VARIABLE, "5120")
    monkeypatch.setattr(module, "read_regular", lambda *_: pytest.fail("it was read"))
    with pytest.raises(DatasetError, match="more than 5120 bytes"):
        read_dataset(tmp_path)


def test_what_never_ends_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "sparse.tar").open("wb") as file:
        file.truncate(10 << 30)
    write_folder(tmp_path / "folder", records(1))
    os.mkfifo(tmp_path / "folder" / "result_1.json")
    (tmp_path / "linked").symlink_to(tmp_path / "pipe")
    messages = {
        "pipe": "it is a pipe, not a regular file",
        "linked": "it is a pipe, not a regular file",
        "folder": "result_1.json cannot be read .it is a pipe",
        "sparse.tar": f"has more than {MAX_BYTES} bytes when unpacked",
    }
    for name, message in messages.items():
        with pytest.raises(DatasetError, match=message):
            read_dataset(tmp_path / name)
    arguments = ["split", "--dataset", str(tmp_path / "pipe"), "--seed", "1"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_devices_are_not_read(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    except (PermissionError, AttributeError):
        pytest.skip("only root makes device nodes")
    with pytest.raises(DatasetError, match="it is a device"):
        read_dataset(tmp_path / "zero")
    write_folder(tmp_path / "folder", records(1))
    (tmp_path / "folder" / "result_1.json").symlink_to(tmp_path / "zero")
    with pytest.raises(DatasetError, match="it is a device"):
        read_dataset(tmp_path / "folder")


def archive_of(*members: tuple[tarfile.TarInfo, bytes], end: bytes = bytes(1024)) -> bytes:
    """A tar archive with headers that need not be true."""
    return (
        b"".join(
            member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
            for member, content in members
        )
        + end
    )


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type = size, kind
    return found


GOOD = json.dumps(record(0)).encode()
FIRST = (header("result_0.json", len(GOOD)), GOOD)
FURTHER = {
    "GNU long name": tarfile.GNUTYPE_LONGNAME,
    "GNU long link": tarfile.GNUTYPE_LONGLINK,
    "pax": tarfile.XHDTYPE,
    "pax, global": tarfile.XGLTYPE,
    "Solaris": tarfile.SOLARIS_XHDTYPE,
}


@pytest.mark.parametrize("kind", FURTHER.values(), ids=FURTHER)
@pytest.mark.parametrize("size", [5000, 6 << 30, -1, -512])
def test_further_headers_are_small(tmp_path: Path, kind: bytes, size: int) -> None:
    """A pax header of digits alone takes Python 3.11 quadratic time, one of 6 GB all memory."""
    (tmp_path / "a.tar").write_bytes(archive_of(FIRST, (header("x", size, kind), b"1" * 5000)))
    with pytest.raises(DatasetError, match=f"header of the archive states {size} bytes"):
        read_dataset(tmp_path / "a.tar")


@pytest.mark.parametrize("size", [-1, -512, -(1 << 40)])
def test_sizes_are_not_negative(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.tar").write_bytes(archive_of(FIRST, (header("result_1.json", size), GOOD)))
    with pytest.raises(DatasetError, match=f"states {size} bytes"):
        read_dataset(tmp_path / "a.tar")
    text = f"size={size}\n"
    pax = f"{len(text) + 3} {text}".encode()
    further = (header("x", len(pax), tarfile.XHDTYPE), pax)
    (tmp_path / "b.tar").write_bytes(archive_of(FIRST, further, (header("result_1.json", 0), b"")))
    with pytest.raises(DatasetError, match=r"result_1.json has -\d+ bytes, allowed"):
        read_dataset(tmp_path / "b.tar")


def test_no_record_of_a_damaged_archive_is_lost(tmp_path: Path) -> None:
    """`tarfile` takes a header that it cannot read, or that is missing, for the end."""
    second = (header("result_1.json", len(GOOD)), GOOD)
    whole = archive_of(FIRST, second)
    at = len(archive_of(FIRST, end=b""))
    damaged = {
        "no end": archive_of(FIRST, second, end=b""),
        "cut between records": whole[:at],
        "cut in a header": whole[: at + 100],
        "cut in a record": whole[: at + 700],
        "a header of other bytes": whole[: at + 150] + b"\xff" + whole[at + 151 :],
        "a header of zeros": whole[:at] + bytes(512) + whole[at + 512 :],
        "two archives": whole + archive_of((header("result_2.json", len(GOOD)), GOOD)),
    }
    path = tmp_path / "a.tar"
    path.write_bytes(whole)
    assert len(read_dataset(path)) == 2
    for name, content in damaged.items():
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"damaged or incomplete|ends before its"):
            pytest.fail(f"{name}: {len(read_dataset(path))} records")


def pax(*texts: str) -> tuple[tarfile.TarInfo, bytes]:
    lines = [f" {text}\n".encode() for text in texts]
    content = b"".join(b"%d%s" % (len(line) + 2, line) for line in lines)
    assert all(8 < len(line) < 98 for line in lines)
    return header("x", len(content), tarfile.XHDTYPE), content


@pytest.mark.parametrize(
    "further",
    [
        [pax("GNU.sparse.map=a,b")],
        [pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.size=x")],
        [pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=99999999999")],
        [pax("size=99999999999999999999")],
        [pax("size=not a number")],
        [pax("path=../../result_7.json")],
        [pax("path=result_0.json")],
        [pax(f"hdrcharset={'1' * 60}")],
        [pax("mtime=soon and later")] * 3000,
        [(header("x", 0, tarfile.GNUTYPE_LONGNAME), b"")] * 3000,
    ],
    ids=range(10),
)
def test_headers_that_mean_nothing(
    tmp_path: Path, further: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    second = (header("result_1.json", len(GOOD)), GOOD)
    (tmp_path / "a.tar").write_bytes(archive_of(FIRST, *further, second))
    with contextlib.suppress(DatasetError):
        assert len(read_dataset(tmp_path / "a.tar")) == 2


def test_a_changed_byte_loses_no_record(tmp_path: Path) -> None:
    second = (header("result_1.json", len(GOOD)), GOOD)
    whole = archive_of(FIRST, second)
    at = len(archive_of(FIRST, end=b""))
    path = tmp_path / "a.tar"
    refused = 0
    headers = (*range(0, 512, 3), *range(at, at + 512, 3))
    for position in (*headers, *range(len(whole) - 1024, len(whole), 9)):
        for bits in (0x01, 0x20, 0xFF):
            changed = bytearray(whole)
            changed[position] ^= bits
            path.write_bytes(changed)
            try:
                assert len(read_dataset(path)) == 2
            except DatasetError:
                refused += 1
    assert refused > 1000  # a header has a checksum; two digits of it may be written in two ways


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_every_cut_is_noticed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(archive_of(FIRST, end=bytes(1024)))
    path = tmp_path / "a"
    path.write_bytes(whole)
    assert len(read_dataset(path)) == 1
    # Of a plain archive the last 512 bytes may be missing: that is its second closing block.
    last = len(whole) - (513 if pack is bytes else 1)
    for size in sorted({*range(0, last, 37), *range(last - 9, last + 1)}):
        path.write_bytes(whole[:size])
        with pytest.raises(DatasetError):
            pytest.fail(f"{size} of {len(whole)} bytes: {len(read_dataset(path))} records")


def test_repeated_keys_are_found_in_linear_time(tmp_path: Path) -> None:
    """Looking each of 50,000 keys up in a list took minutes."""
    keys = ", ".join(f'"{k}": 0' for k in range(50_000))
    contents = {"result_0.json": f'{{{keys}, "49999": 1}}'.encode()}
    assert len(contents["result_0.json"]) < MAX_RECORD_BYTES
    with pytest.raises(DatasetError, match=r"result_0\.json is not JSON: key '49999' stands twice"):
        read_dataset(write_folder(tmp_path, contents))


def test_messages_stay_short(tmp_path: Path) -> None:
    long = record(0)
    long["architecture"] = {f"gene{k}": 1 for k in range(30_000)}
    with pytest.raises(DatasetError) as caught:
        read_dataset(write_folder(tmp_path, {"result_0.json": json.dumps(long).encode()}))
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'["result_0.json", NaN]', "NaN is not a number"),
        (b"[" + b" " * (16 << 20) + b"]", "at most 16777216 are allowed"),
        (json.dumps(["x" * 10_000]).encode(), "is not in the data set"),
        (None, "it is a pipe"),
    ],
)
def test_split_files_are_bounded(
    dataset: Dataset, tmp_path: Path, content: bytes | None, message: str
) -> None:
    for part in ("train", "val", "test"):
        if content is None:
            os.mkfifo(tmp_path / f"{part}_paths.json")
        else:
            (tmp_path / f"{part}_paths.json").write_bytes(content)
    with pytest.raises(SplitError, match=message) as caught:
        read_split(dataset, tmp_path)
    assert len(str(caught.value)) < 1000


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
