"""The sections of the results page, each from its part of results.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anb_export.reports.markdown import number, table

from benchmarks.formats import one_time, rate, seconds, size, times
from benchmarks.goals import GOALS


def goals(results: Mapping[str, Any]) -> str:
    """Return the table of what was promised and what came out."""
    show: dict[str, Callable[[float], str]] = {
        "rate": lambda v: f"{number(v / 1e6, 3)} M/s",
        "times": lambda v: f"{number(v, 3)} x",
        "seconds": one_time,
        "bytes": size,
        "values": lambda v: f"{v:,.0f}",
    }
    rows = []
    for goal in GOALS:
        try:
            value = goal.find(results)
        except KeyError:
            found, met = "not measured", ""
        else:
            found, met = show[goal.unit](value), "yes" if goal.met(value) else "**no**"
        sign = "at least" if goal.at_least else "at most"
        rows.append([goal.text, f"{sign} {show[goal.unit](goal.bound)}", found, met])
    return table(["goal", "bound", "median", "met"], rows)


def machine(results: Mapping[str, Any]) -> list[str]:
    """Return what it was measured on, and what else that machine did."""
    m, watch = results["machine"], results["watch"]
    caches = ", ".join(f"{level} {size_}" for level, size_ in m["caches"].items())
    versions = ", ".join(f"{n} {v}" for n, v in m["versions"].items() if v)
    load = watch["load_average_before"]
    text = (
        f"Machine: {m['processor']}{' (virtual)' if m['virtual'] else ''}, {m['processors']} "
        f"processors, {m['vector']}, {caches}, {m['memory_bytes'] / 2**30:.0f} GiB, "
        f"{m['system']}, Python {m['python']}, {m['compiler'] or 'no gcc'}. {versions}."
    )
    state = (
        f"Run of {watch['began']}, {watch['seconds']:.0f} s. Load average before "
        f"{'unknown' if load is None else f'{load:.2f}'}; one busy thread got "
        f"{results['core_share']:.0%} of a core"
    )
    if watch["stolen_share"] is not None:
        state += (
            f"; stolen by the hypervisor {watch['stolen_share']:.1%}; other processes used "
            f"{watch['processor_seconds_of_others']:.0f} s of processor time."
        )
    return [text, state.rstrip(".") + "." + busy(results)]


def subject(results: Mapping[str, Any]) -> str:
    """Return what all contenders evaluate."""
    s = results["subject"]
    bundled = "the bundled artifact" if s["bundled"] else "not the bundled artifact"
    return (
        f"Mean and std of one ensemble of {s['members']} members and {sum(s['trees']):,} trees "
        f"({s['target']}, link {s['link']}; {bundled}), from uint8 codes, encoding included."
    )


def _comparison(results: Mapping[str, Any]) -> list[str]:
    rows = []
    for key, f in ranked(results["comparison"]):
        rows.append([
            key, f["note"], rate(f["rows_per_second"]), rate(f["rows_per_cpu_second"]),
            number(f["processors"]["median"], 2), f"{f['rows_per_call']:,}",
            times(f["native_1"]) if "native_1" in f else "-", f"{f['error']:.1g}",
        ])  # fmt: skip
    header = ["engine", "", "architectures/s", "per s of processor", "processors", "per call",
              "native on 1 thread is faster by", "off by"]  # fmt: skip
    parts = [subject(results), table(header, rows, left=2)]
    parts.append(
        "*off by*: the largest difference of mean or std to the exact float64 sums of leaves, in "
        "standard deviations of the target. *processors*: processor time over wall time; a "
        "threaded engine that shows fewer than it has threads did not get its cores."
    )
    if results["not_run"]:
        failed = [[f["name"], f["reason"].replace("|", "/")] for f in results["not_run"]]
        parts.append(table(["not run", "reason"], failed, left=2))
    return parts


def _curve(results: Mapping[str, Any]) -> list[str]:
    found = results["curve"]
    sizes = sorted({int(n) for by_size in found.values() for n in by_size})
    rows = [
        [key, *(
            rate(by_size[str(n)]["rows_per_second"]).partition(" (")[0]
            if str(n) in by_size else "-" for n in sizes
        )]
        for key, by_size in found.items()
    ]  # fmt: skip
    return [
        "![Throughput over batch size](throughput.png)",
        table(["architectures/s at a batch of", *(f"{n:,}" for n in sizes)], rows),
        "- : a call would take too long for this run.",
    ]


def _together(results: Mapping[str, Any]) -> list[str]:
    found = results["together"]
    n = len(found["targets"])
    rows = []
    for key, f in found["engines"].items():
        spread = f["rows_per_second"]
        each = {k: v * n for k, v in spread.items() if k != "n"}
        rows.append([key, rate(spread), rate(each), number(f["processors"]["median"], 2)])
    header = ["engine", "architectures/s", "target predictions/s", "processors"]
    intro = f"`Benchmark({found['targets']}).query(codes)`, {found['rows_per_call']:,} per call."
    return [intro, table(header, rows)]


def _single(results: Mapping[str, Any]) -> list[str]:
    keys = ("p50", "p90", "p99", "p99.9", "min")
    rows = [
        [name, *(one_time(f[key]) for key in keys), f"{f['n']:,}"]
        for name, f in results["single"].items()
    ]
    return [
        "![Latency at batch 1](latency.png)",
        table(["one architecture", *keys, "calls"], rows),
    ]


def _cold(results: Mapping[str, Any]) -> list[str]:
    found = results["cold_start"]
    rows = [
        [name, f["not_run"] if "not_run" in f else seconds(f)]
        for name, f in found["processes"].items()
    ]
    inside = [
        [name, *([f["not_run"], "", ""] if "not_run" in f else
                 [seconds(f[key]) for key in ("import", "load", "query")])]
        for name, f in found["steps"].items()
    ]  # fmt: skip
    cost = found["native"]
    return [
        "![Cold start](cold_start.png)",
        table(["process, from start to end", "seconds"], rows),
        table(["in a fresh process", "import", "load", "first query"], inside),
        f"Loading, importing and compiling native, with its first answer: "
        f"{seconds(cost['native_seconds'])}; NumPy meanwhile answers "
        f"{rate(cost['numpy_rate'])} architectures/s (`python -m benchmarks.cold_start`).",
    ]


def _memory(results: Mapping[str, Any]) -> list[str]:
    rows = [
        [name, f"{f['rows']:,}", f["not_run"], "", ""] if "not_run" in f else
        [name, f"{f['rows']:,}", size(f["input"]), size(f["output"]), size(f["extra"])]
        for name, f in results["memory"].items()
    ]  # fmt: skip
    header = ["one query, 2 threads", "architectures", "input", "output", "peak beyond both"]
    return [table(header, rows)]


def _bits(results: Mapping[str, Any]) -> list[str]:
    found = results["bits"]
    rows = [
        [name, str(f["members"]), f"{found['rows']:,}", f"{f['different_values']:,}"]
        for name, f in found["targets"].items()
    ]
    header = ["target", "members", "random architectures", "differing values"]
    return ["Mean, std and every member, native against onnxruntime, as bytes.",
            table(header, rows)]  # fmt: skip


def _limit(results: Mapping[str, Any]) -> list[str]:
    found = results["limit"]
    rows = [
        [label, *(f"{found['ns_per_prediction'][name][k]:.2f}" for k in ("median", "min", "max")),
         f"{found['cycles_per_prediction'][name]:.1f}"]
        for name, label in (
            ("kernel", "native kernel, whole prediction"),
            ("second level", "its loads alone, from 954 kB"),
            ("first level", "as many loads from 32 kB"),
        )
    ]  # fmt: skip
    b = found["bytes"]
    text = (
        f"{found['lookups']} loads of 32 bytes per prediction from {size(b['tables'])} of tables, "
        f"{b['input']} bytes in, {b['output']} out; clock {found['cycles_per_ns']['max']:.2f} GHz. "
        f"The kernel runs at **{found['share_of_limit']:.0%} of the speed of its loads alone** "
        f"({found['shares']['min']:.0%} to {found['shares']['max']:.0%}): "
        f"{found['cycles_per_line']:.2f} cycles per cache line, {found['bytes_per_cycle']:.0f} "
        "bytes per cycle (`python -m benchmarks.limit`, processor time, one thread)."
    )
    return [text, table(["", "ns, median", "min", "max", "cycles (of min)"], rows)]


def _graph_forms(results: Mapping[str, Any]) -> list[str]:
    found = results["graph_forms"]
    rows = [
        [n, *(rate(found["rates"][f][n]["rows_per_second"]) for f in ("pairs", "lines")),
         times(found["pairs_over_lines"][n]),
         f"{found['seconds_to_open']['pairs'] * 1e3:.0f} / "
         f"{found['seconds_to_open']['lines'] * 1e3:.0f} ms"]
        for n in found["pairs_over_lines"]
    ]  # fmt: skip
    header = ["per call", "pairs, 21 Gathers", "lines, 7 Gathers", "pairs are faster by",
              "opening pairs / lines"]  # fmt: skip
    same = all(found["bits_equal"].values())
    return [
        f"onnxruntime, one thread; {'same' if same else 'DIFFERENT'} bits "
        "(`python -m benchmarks.graph_forms`).",
        table(header, rows),
    ]


def _sizes(results: Mapping[str, Any]) -> list[str]:
    found = results["sizes"]
    wheel = found["wheel"]
    rows = [
        [name, f["form"] or "", size(f["bytes"]), size(f["gzip"])]
        for name, f in found["artifacts"].items()
    ]
    line = (
        f"Wheel: not run, {wheel['not_run']}"
        if "not_run" in wheel
        else f"`{wheel['name']}`: {size(wheel['bytes'])}; unpacked {size(wheel['unpacked'])}, "
        f"{size(wheel['code'])} of it without artifacts."
    )
    return [line, table(["artifact", "form", "file", "gzip"], rows, left=2)]


def facts(results: Mapping[str, Any]) -> list[str]:
    """Return the lines below the README's table."""

    def has(key: str) -> bool:
        return key in results and "not_run" not in results[key]

    facts = []
    if has("together"):
        n, engines = len(results["together"]["targets"]), results["together"]["engines"]
        best = engines["native, 2 threads"]["rows_per_second"]
        facts.append(f"{n} targets at once, 2 threads: {rate(best)} architectures/s")
    if has("single"):
        s = results["single"]
        names = ("native: query_codes(codes, out=out)", "native: query(Architecture)")
        facts.append(
            f"one architecture: {one_time(s[names[0]]['p50'])} for codes, "
            f"{one_time(s[names[1]]['p50'])} for an `Architecture` (medians)"
        )
    if has("cold_start"):
        command, found = "anb-onnx query efficientnet-b0", results["cold_start"]["processes"]
        for which, words in (("one target", " --target accuracy"), ("all targets", "")):
            f = found.get(f"{command}, {which}", {})
            if "median" in f:
                facts.append(f"`{command}{words}`, a whole process of {which}: {seconds(f)}")
    if has("memory") and "extra" in results["memory"]["native, codes"]:
        f = results["memory"]["native, codes"]
        facts.append(
            f"peak memory for {f['rows']:,} architectures, beyond input and output: "
            f"{size(f['extra'])}"
        )
    if has("bits"):
        targets = results["bits"]["targets"]
        wrong = sum(t["different_values"] for t in targets.values())
        facts.append(
            f"native and onnxruntime, {results['bits']['rows']:,} random architectures, "
            f"{len(targets)} targets: {wrong} values differ in any bit"
        )
    return facts


def legend() -> str:
    """Return how to read the figures."""
    return (
        "Every figure is the median of repeated runs, with the smallest and the largest in "
        "brackets. Ratios are paired: contenders take turns in one process, and the ratio is that "
        "of the same round, in processor time where both sides have one thread. Batches change "
        "from call to call, so that none is answered from memory."
    )


def busy(results: Mapping[str, Any]) -> str:
    """Return a warning if the machine was busy."""
    warnings = results.get("warnings", [])
    return (
        f" **The machine was busy, which these figures show: {'; '.join(warnings)}.**"
        if warnings
        else ""
    )


def ranked(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the contenders from the fastest to the slowest."""
    return sorted(found.items(), key=lambda item: -item[1]["rows_per_second"]["median"])


#: Title, what renders it, and its key in results.json.
SECTIONS: tuple[tuple[str, Callable[[Mapping[str, Any]], list[str]], str], ...] = (
    ("Side by side", _comparison, "comparison"),
    ("Throughput over batch size", _curve, "curve"),
    ("Several targets at once", _together, "together"),
    ("One architecture at a time", _single, "single"),
    ("Cold start", _cold, "cold_start"),
    ("Peak memory", _memory, "memory"),
    ("Bit equality", _bits, "bits"),
    ("Distance from the machine's limit", _limit, "limit"),
    ("Pairs or lines in onnxruntime", _graph_forms, "graph_forms"),
    ("Sizes", _sizes, "sizes"),
)
