"""The examples in the help of `anb-onnx`; a test runs each, in this order, in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anb_onnx._io.help_text import Example

#: The commands, in groups, as `anb-onnx --help` lists them.
GROUPS: Mapping[str, Sequence[str]] = {
    "what there is": ("benchmarks", "targets", "info", "tasks"),
    "predictions": ("sample", "query", "score"),
    "the whole space, proven": ("optimum", "pareto", "rank", "sweep", "merge"),
    "a device of your own": ("suggest", "adapt", "shortlist"),
    "optimizers compared": ("search", "compare"),
    "this installation": ("verify", "completion"),
}

EXAMPLES: Mapping[str, Sequence[Example]] = {
    "benchmarks": (Example("anb-onnx benchmarks", "what can be asked"),),
    "targets": (Example("anb-onnx targets", "units, and which way is better"),),
    "info": (
        Example("anb-onnx info", "the benchmark on one screen"),
        Example("anb-onnx info accuracy", "what a target is, and how good"),
    ),
    "tasks": (Example("anb-onnx tasks", "search problems whose answers are known"),),
    "sample": (
        Example("anb-onnx sample 5 --seed 1", "five indices, the same each time"),
        Example("anb-onnx sample 1000 --out some.csv", "a column for each gene"),
    ),
    "query": (
        Example("anb-onnx query efficientnet-b0", "every target of one architecture"),
        Example("anb-onnx query 5 7 --target accuracy --json", "two architectures by index"),
        Example("anb-onnx query --file some.csv --out answers.parquet", "from file to file"),
        Example("anb-onnx sample 9 | anb-onnx query - --target params", "from standard input"),
    ),
    "score": (
        Example(
            "anb-onnx score many.parquet --target accuracy --out scored",
            "a file that memory would not hold",
        ),
    ),
    "optimum": (
        Example(
            "anb-onnx optimum accuracy --where 'latency_zcu102<=5'",
            "the most accurate within 5 ms",
        ),
    ),
    "pareto": (
        Example(
            "anb-onnx pareto accuracy params --csv --out front.csv",
            "all that no other architecture beats in both",
        ),
    ),
    "rank": (Example("anb-onnx rank accuracy efficientnet-b0", "how many are better"),),
    "sweep": (
        Example("anb-onnx sweep accuracy --shards 0:1 --out 0.counts", "a first part of all"),
    ),
    "merge": (Example("anb-onnx merge 0.counts --incomplete", "what is counted so far"),),
    "suggest": (
        Example("anb-onnx suggest -n 10 --out measure.csv", "ten architectures to measure"),
    ),
    "adapt": (
        Example(
            "anb-onnx adapt measured.csv --metric latency --unit ms --device phone --out mine",
            "measure.csv with a column 'value' becomes a target",
        ),
        Example(
            "anb-onnx query efficientnet-b0 --with mine --target latency_phone",
            "and answers as the others do",
        ),
    ),
    "shortlist": (
        Example(
            "anb-onnx shortlist accuracy --where 'latency_phone<=9' --with mine "
            "--measure latency_phone -k 5 --out short.csv",
            "which predictions deserve a measurement",
        ),
    ),
    "search": (
        Example(
            "anb-onnx search --task accuracy-v1 --optimizer random,local-search --seeds 3 "
            "--budget 200 --out runs",
            "two optimizers, three seeds each",
        ),
    ),
    "compare": (Example("anb-onnx compare runs --at 100", "their regret, and whether it differs"),),
    "verify": (Example("anb-onnx verify", "whether files and answers are as released"),),
    "completion": (
        Example('eval "$(anb-onnx completion bash)"', "for this shell; in ~/.bashrc for all"),
        Example("anb-onnx completion zsh > _anb-onnx", "in a folder of $fpath"),
        Example("anb-onnx completion fish > anb-onnx.fish", "in ~/.config/fish/completions"),
    ),
}
