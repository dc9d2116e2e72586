"""`anb-export truth`: what it writes is what every architecture of small spaces says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_truth
from anb_export.artifacts import prove as proving
from anb_export.artifacts.prove import Work, prove, prove_fronts
from anb_export.artifacts.truth import known_truth, write_truth
from anb_export.cli import main

import anb_onnx
from anb_onnx import AnbError, ArtifactError, Truth, exact
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.truth_reader import read_truth
from anb_onnx.writing.manifest import write_artifact

NAMES = ("large-block", "mixed", "nasbench201-pairs", "nasbench201-table", "one-block")
PAIRS = small_truth.PAIRS


def copied(name: str, folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(small_truth.CONFORMANCE / name, folder / name, ignore=ignored)
    return folder / name


def run(out: Path, work: Path, *arguments: str) -> int:
    return main(["truth", "--out", str(out), "--work", str(work), "--threads", "1", *arguments])


def found_in(folder: Path) -> dict[str, Truth]:
    found = read_truth(folder)
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("name", NAMES)
def test_it_proves_what_every_architecture_says(name: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    assert run(folder, tmp_path / "work", "--bins", "60", "--best", "50") == 0
    truths = found_in(folder)
    oracle = small_truth.truths_of(folder, bins=60, n_best=50)
    assert list(truths) == list(oracle)
    for target, truth in truths.items():
        wanted = oracle[target]
        y = small_truth.means(Catalog.read(folder).find(target))
        for a, b in ((truth.optimum, wanted.optimum), (truth.worst, wanted.worst)):
            assert (a.value, a.count) == (b.value, b.count)
            np.testing.assert_array_equal(a.codes, b.codes)
        assert truth.edges is not None
        assert truth.counts is not None
        counted = np.diff(np.searchsorted(np.sort(y), truth.edges))
        np.testing.assert_array_equal(truth.counts, counted)
        # As many of the best as asked for, and up to the next edge.
        assert min(50, len(y)) <= len(truth.best) <= 4 * 50
        falling = np.sort(y)[::-1] if truth.direction == "max" else np.sort(y)
        np.testing.assert_array_equal(truth.best, falling[: len(truth.best)])
        assert truth.best_to is not None
        limit = truth.best_to
        assert (
            len(truth.best)
            == len(y)
            - small_truth.better("min" if truth.direction == "max" else "max", y, limit).sum()
        )
        assert truth.shards is not None
        assert truth.shards.size == len(y)
        assert list(truth.fronts) == list(wanted.fronts)
        for pair, front in truth.fronts.items():
            np.testing.assert_array_equal(front.codes, wanted.fronts[pair].codes)
            np.testing.assert_array_equal(front.values, wanted.fronts[pair].values)
            assert front.reference == wanted.fronts[pair].reference


def test_a_space_too_large_to_count_has_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied("fbnet-sparse", tmp_path)
    assert run(folder, tmp_path / "work", "--best", "20") == 0
    assert "no distribution, as 281,474,976,710,656 architectures" in capsys.readouterr().err
    (truth,) = found_in(folder).values()
    assert truth.edges is None
    assert truth.resolution is None
    assert len(truth.best) == 20
    assert truth.best[0] == truth.optimum.value < truth.worst.value
    with anb_onnx.load("latency_pixel2", path=folder) as surrogate:
        assert surrogate.query(truth.optimum.codes).mean[0] == truth.optimum.value
        assert surrogate.rank(truth.optimum.value) == 1
        y = surrogate.query(anb_onnx.sample(5000, seed=1, space=surrogate.space)).mean
        assert y.min() > truth.best[-1]
        assert y.max() < truth.worst.value


def test_without_counts_what_was_counted_before_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, work = copied("nasbench201-pairs", tmp_path), tmp_path / "work"
    assert run(folder, work, "--best", "50", "--no-counts") == 0
    assert capsys.readouterr().err.count("no distribution, as it is not counted") == 2
    before = found_in(folder)
    assert all(truth.edges is None and len(truth.best) == 50 for truth in before.values())
    assert all(len(truth.fronts) == 1 for truth in before.values())
    assert run(folder, work, "--best", "50", "--target", "accuracy") == 0
    assert run(folder, work, "--best", "50", "--no-counts") == 0
    after = found_in(folder)
    assert after["accuracy"].counts is not None
    assert after["latency_edgegpu"].counts is None


def test_what_is_finished_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied("nasbench201-pairs", tmp_path)
    whole = copied("nasbench201-pairs", tmp_path / "whole")
    assert run(whole, tmp_path / "other", "--best", "50") == 0

    class Killed(Exception):
        pass

    def killed(*args: Any, **options: Any) -> None:
        raise Killed

    for step in ("sweep", "exact.enumerate", "exact.pareto"):
        with monkeypatch.context() as patch:
            patch.setattr(f"anb_export.artifacts.prove.{step}", killed)
            with pytest.raises(Killed):
                run(folder, tmp_path / "work", "--best", "50")
        assert read_truth(folder) is None
    # Everything is there but the front: nothing else is asked for any more.
    for step in ("sweep", "exact.enumerate", "exact.optimum"):
        monkeypatch.setattr(f"anb_export.artifacts.prove.{step}", killed)
    assert run(folder, tmp_path / "work", "--best", "50") == 0
    assert (folder / "truth.bin").read_bytes() == (whole / "truth.bin").read_bytes()
    # What is kept of other settings or artifacts is not taken.
    with pytest.raises(Killed):
        run(folder, tmp_path / "work", "--best", "50", "--bins", "7")


def test_a_damaged_part_is_made_anew(tmp_path: Path) -> None:
    folder = copied("one-block", tmp_path)
    assert run(folder, tmp_path / "work") == 0
    before = (folder / "truth.bin").read_bytes()
    parts = sorted((tmp_path / "work").glob("*.part"))
    assert len(parts) == 4
    for part in parts:
        part.write_bytes(part.read_bytes()[:-3])
    (folder / "truth.bin").unlink()
    assert run(folder, tmp_path / "work") == 0
    assert (folder / "truth.bin").read_bytes() == before


def test_one_target_keeps_what_is_proven_of_others(tmp_path: Path) -> None:
    folder = copied("nasbench201-pairs", tmp_path)
    work = tmp_path / "work"
    assert run(folder, work, "--target", "latency_edgegpu", "--best", "9") == 0
    assert list(found_in(folder)) == ["latency_edgegpu"]
    assert run(folder, work, "--target", "accuracy", "--best", "9") == 0
    truths = found_in(folder)
    assert set(truths) == {"accuracy", "latency_edgegpu"}
    assert list(truths["latency_edgegpu"].fronts) == [("accuracy", "latency_edgegpu")]
    together = copied("nasbench201-pairs", tmp_path / "together")
    assert run(together, work, "--best", "9") == 0
    assert (together / "truth.bin").read_bytes() == (folder / "truth.bin").read_bytes()


def test_proofs_that_contradict_each_other_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied("one-block", tmp_path)
    right = exact.optimum

    def wrong(*args: Any, **options: Any) -> Any:
        found = right(*args, **options)
        if options.get("direction") != "min":
            return found
        (best,) = found.solutions
        value = float(np.nextafter(np.float32(best.value), np.float32(np.inf)))
        return replace(found, solutions=(replace(best, value=value),))

    monkeypatch.setattr("anb_export.artifacts.prove.exact.optimum", wrong)
    assert run(folder, tmp_path / "work") == 2
    message = capsys.readouterr().err
    assert "the sweep found 1 architectures outside of what was proven" in message
    assert read_truth(folder) is None
    monkeypatch.setattr("anb_export.artifacts.prove.exact.optimum", right)
    listing = exact.enumerate

    def short(*args: Any, **options: Any) -> Any:
        found = listing(*args, **options)
        return replace(found, values=found.values[:-1])

    monkeypatch.setattr("anb_export.artifacts.prove.exact.enumerate", short)
    assert run(folder, tmp_path / "new") == 2
    assert "but 18 were counted; please report this" in capsys.readouterr().err


def test_what_cannot_be_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied("one-block", tmp_path)
    for arguments, message in (
        (["--target", "enrgy"], "did you mean 'energy'"),
        (["--bins", "2000000"], "--bins must be at most 1048576"),
    ):
        assert run(folder, tmp_path / "work", *arguments) == 2
        assert message in capsys.readouterr().err
    assert run(tmp_path / "nowhere", tmp_path / "work") == 2
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_many_ties_end_the_list_early(tmp_path: Path) -> None:
    """Of an optimum that very many share not even its own means are listed."""
    folder = copied("one-block", tmp_path)
    (artifact,) = Catalog.read(folder).artifacts
    y = np.full(artifact.space.size, 2.0, dtype=np.float32)
    y[:3] = 5.0
    truth = small_truth.truth_of(artifact, y, n_best=1)
    for n_best, listed in ((1, None), (4, 15), (5, 15)):
        work = Work(Catalog.read(folder), tmp_path / str(n_best), n_best=n_best)
        limit, count = proving._limit_of_list(truth, n_best)
        assert (limit, count) == (2.0, 15)
        if listed is None:
            assert proving._with_best(work, truth).best_to == truth.best_to


def test_truth_of_a_replaced_artifact_is_dropped(tmp_path: Path) -> None:
    folder = copied("nasbench201-pairs", tmp_path)
    assert run(folder, tmp_path / "work", "--best", "9") == 0
    before = known_truth(folder)
    assert set(before) == {"accuracy", "latency_edgegpu"}
    catalog = Catalog.read(folder)
    artifact = catalog.find("latency_edgegpu")
    card = artifact.card | {"benchmark": catalog.benchmark}
    # The same bytes once more change nothing; other bytes do.
    write_artifact(artifact.path, artifact.read(), "latency_edgegpu", card, space=catalog.space)
    assert known_truth(folder).keys() == before.keys()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["targets"]["latency_edgegpu"]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert known_truth(folder) == {}
    write_artifact(artifact.path, artifact.read(), "latency_edgegpu", card, space=catalog.space)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "truth" not in manifest
    with pytest.raises(ArtifactError, match="nothing is proven of any target"):
        write_truth(folder, {})
    write_truth(folder, before)
    assert known_truth(folder).keys() == before.keys()


def test_a_folder_that_changed_meanwhile_gets_no_truth(tmp_path: Path) -> None:
    folder = copied("nasbench201-pairs", tmp_path)
    truths = small_truth.truths_of(folder, bins=9, n_best=5)
    others = {name: replace(truth, sha256="1" * 64) for name, truth in truths.items()}
    with pytest.raises(ArtifactError, match="was proven of other bytes than"):
        write_truth(folder, others)
    assert not (folder / "truth.bin").exists()
    assert read_truth(folder) is None


def test_fronts_need_both_targets(tmp_path: Path) -> None:
    folder = copied("large-block", tmp_path)
    work = Work(Catalog.read(folder), tmp_path / "work", bins=20, n_best=5)
    truths = prove(work, ["latency"])
    assert prove_fronts(work, truths)["latency"].fronts == {}
    both = prove_fronts(work, prove(work))
    # Without a target of accuracy the first one of the manifest takes its place.
    assert list(both["latency"].fronts) == [("energy", "latency")]
    assert both["latency"].fronts == both["energy"].fronts


def test_forms_without_tables_are_passed_over(tmp_path: Path) -> None:
    from small_artifact import write_catalog

    folder = write_catalog(tmp_path / "trees")
    notes: list[str] = []
    work = Work(Catalog.read(folder), tmp_path / "work", note=notes.append)
    assert prove(work) == {}
    assert len(notes) == 4
    assert "in the form 'trees' has no tables to prove from" in notes[0]
    with pytest.raises(AnbError, match="accuracy: an artifact in the form 'trees'"):
        prove(work, ["accuracy"])
    assert run(folder, tmp_path / "work") == 2
