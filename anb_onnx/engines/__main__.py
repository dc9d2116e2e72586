"""The command `python -m anb_onnx.engines`: what the native engine runs, to look at."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from anb_onnx._io.program import OK, Parser, run
from anb_onnx.engines import assembly
from anb_onnx.loading import load


def main(argv: Sequence[str] | None = None) -> int:
    """Print the code of a kernel.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if not given.

    Returns
    -------
    int
        0, or as of `anb-onnx` after an error.
    """
    return run("python -m anb_onnx.engines", lambda: _print(_parser().parse_args(argv)))


def _print(args: argparse.Namespace) -> int:
    with load(args.target, benchmark=args.benchmark, path=args.path) as surrogate:
        sys.stdout.write(assembly(surrogate, args.source, machine=args.machine))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m anb_onnx.engines",
        description="Print the code that the native engine compiles for a target's artifact. "
        "The top of anb_onnx/engines/native/kernels.py tells what it does.",
        allow_abbrev=False,
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="as for anb_onnx.load")
    parser.add_argument("--benchmark", metavar="NAME", help="the target's benchmark")
    parser.add_argument("--path", metavar="PATH", help="a folder of artifacts, or an ONNX file")
    parser.add_argument(
        "--source",
        choices=("codes", "indices"),
        default="codes",
        help="what the kernel reads (default: codes)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--llvm", action="store_true", help="in LLVM's assembly, as written (default)"
    )
    form.add_argument("--machine", action="store_true", help="in that of this machine's processor")
    return parser


if __name__ == "__main__":
    sys.exit(main())
