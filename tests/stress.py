"""What long experiments do to a surrogate, thousands of times: a command that prints counts.

    python tests/stress.py --rounds 4000 --seed 0

In every round a thread is inside a query while something happens to it: the surrogate is closed or
dropped, Ctrl-C comes (SIGINT, from the first microsecond on), the process forks, another thread
overwrites the codes. Whatever happens, a query answers with the right bits, or raises an error of
this package's or the KeyboardInterrupt; nothing is written into its arrays afterwards; and the
process lives, under `faulthandler`.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import gc
import os
import pickle
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.engines.base import Outputs

ENGINES = ("native", "onnxruntime", "numpy", "auto")
TARGET = "accuracy"
#: Rows of a batch: a millisecond or two, in several parts.
ROWS = {"native": 100_000, "auto": 100_000, "onnxruntime": 10_000, "numpy": 10_000}

Codes = NDArray[np.uint8]


class WrongError(Exception):
    """A query did what it must never do."""


class Stress:
    """One process's worth of rounds.

    Parameters
    ----------
    seed : int
        Of what happens when.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.codes = anb_onnx.sample(max(ROWS.values()), seed=seed, space=anb_onnx.MNASNET)
        with anb_onnx.load(TARGET, engine="numpy") as surrogate:
            self.expected = surrogate.query_codes(self.codes, members=True)
        self.outcomes: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self.kept: dict[tuple[str, int], anb_onnx.Surrogate] = {}
        self.scenarios: dict[str, Callable[[str, int], str]] = {
            "close": self.close,
            "close bound": self.close_bound,
            "close benchmark": self.close_benchmark,
            "drop": self.drop,
            "interrupt": self.interrupt,
            "interrupt new": self.interrupt_new,
            "overwrite": self.overwrite,
            "pickle": self.pickle,
        }
        if hasattr(os, "fork"):
            self.scenarios["fork"] = self.fork

    def round(self, scenario: str, engine: str) -> None:
        """Play one scenario with one engine, and count how it ended."""
        threads = self.random.choice((1, 2, 4))
        outcome = self.scenarios[scenario](engine, threads)
        self.outcomes[scenario, engine, outcome] += 1

    # --- scenarios: each returns how it ended

    def close(self, engine: str, threads: int) -> str:
        """`close` by another thread, twice, while queries run."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)
        query = self._query(surrogate, engine)

        def close_twice() -> None:
            surrogate.close()
            surrogate.close()

        outcome = self._beside(query, close_twice)
        return self._closed(surrogate, outcome)

    def close_bound(self, engine: str, threads: int) -> str:
        """`close` while a bound function runs again and again."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)
        codes, out = self.codes[:2_000].copy(), Outputs.empty(2_000, 8, members=True)
        run = surrogate.bind(codes, out)
        wrong = []

        def query() -> str:
            for _ in range(300):
                run()
                if not self._is_right(out, 2_000):
                    wrong.append(1)
            return "answered"

        outcome = self._closed(surrogate, self._beside(query, surrogate.close))
        if wrong:
            raise WrongError("other bits from a bound function")
        return outcome

    def close_benchmark(self, engine: str, threads: int) -> str:
        """`Benchmark.close` at the end of `with`, while another thread queries it."""
        n = ROWS[engine] // 2
        with anb_onnx.Benchmark([TARGET, "params"], engine=engine, threads=threads) as benchmark:

            def query() -> str:
                found = benchmark.query(self.codes[:n], members=True)[TARGET]
                self._check(Outputs(found.mean, found.std, found.members), n)
                return "answered"

            thread, outcome = self._start(query)
            self._a_moment()
        thread.join()
        return self._outcome(outcome)

    def drop(self, engine: str, threads: int) -> str:
        """The last reference of the caller goes, and garbage is collected, while a query runs."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)
        thread, outcome = self._start(self._query(surrogate, engine))
        self._a_moment()
        del surrogate
        gc.collect()
        thread.join()
        return self._outcome(outcome)

    def interrupt(self, engine: str, threads: int) -> str:
        """Ctrl-C while the main thread is in a query."""
        key = engine, threads
        if key not in self.kept:
            self.kept[key] = anb_onnx.load(TARGET, engine=engine, threads=threads)
        return self._interrupted(self.kept[key], engine)

    def interrupt_new(self, engine: str, threads: int) -> str:
        """Ctrl-C in the first query of a surrogate, which starts threads and may compile."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)
        outcome = self._interrupted(surrogate, engine)
        n = ROWS[engine]
        self._check(surrogate.query_codes(self.codes[:n], members=True), n)  # it goes on
        surrogate.close()
        return outcome

    def overwrite(self, engine: str, threads: int) -> str:
        """Another thread writes any bytes into the codes while they are read."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)
        codes = self.codes[: ROWS[engine] // 2].copy()
        noise = np.frombuffer(self.random.randbytes(codes.size), np.uint8).reshape(codes.shape)
        good, ended = codes.copy(), threading.Event()

        def write() -> None:
            while not ended.is_set():
                codes[...] = noise
                codes[...] = good

        writer = threading.Thread(target=write)
        writer.start()
        try:
            surrogate.query_codes(codes, members=True)
            return "answered"  # no bits are right or wrong: none were asked for
        except anb_onnx.ArchitectureError:
            return "refused"
        finally:
            ended.set()
            writer.join()
            surrogate.close()

    def pickle(self, engine: str, threads: int) -> str:
        """Pickled, unpickled and closed, while another thread does the same."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)

        def query() -> str:
            with pickle.loads(pickle.dumps(surrogate)) as again:
                self._check(again.query_codes(self.codes[:5_000], members=True), 5_000)
            return "answered"

        return self._beside(query, lambda: (pickle.loads(pickle.dumps(surrogate)).close(), query()))

    def fork(self, engine: str, threads: int) -> str:
        """A plain fork while another thread is in a query; the child uses the same surrogate."""
        surrogate = anb_onnx.load(TARGET, engine=engine, threads=threads)
        thread, outcome = self._start(self._query(surrogate, engine))
        self._a_moment()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(60)  # ends a child that hangs
                n = ROWS[engine]
                status = 0 if self._is_right(surrogate.query_codes(self.codes[:n]), n) else 3
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        thread.join()
        surrogate.close()
        if status:
            raise WrongError(f"a forked child ended with {status}")
        return self._outcome(outcome)

    # --- what they are made of

    def _query(self, surrogate: anb_onnx.Surrogate, engine: str) -> Callable[[], str]:
        n = ROWS[engine]
        out = Outputs.empty(n, 8, members=True) if self.random.random() < 0.5 else None

        def query() -> str:
            self._check(surrogate.query_codes(self.codes[:n], members=True, out=out), n)
            return "answered"

        return query

    def _beside(self, query: Callable[[], str], act: Callable[[], object]) -> str:
        """Run a query on a thread, and something else a moment later."""
        thread, outcome = self._start(query)
        self._a_moment()
        act()
        thread.join()
        return self._outcome(outcome)

    def _start(self, query: Callable[[], str]) -> tuple[threading.Thread, list[object]]:
        outcome: list[object] = []

        def run() -> None:
            try:
                outcome.append(query())
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread, outcome

    def _outcome(self, outcome: list[object]) -> str:
        [found] = outcome
        if isinstance(found, anb_onnx.EngineError) and "closed" in str(found):
            return "refused"
        if isinstance(found, Exception):
            raise found
        return str(found)

    def _closed(self, surrogate: anb_onnx.Surrogate, outcome: str) -> str:
        for call in (surrogate.query_codes, surrogate.query):
            try:
                call(self.codes[:1])
            except anb_onnx.EngineError:
                continue
            raise WrongError(f"{surrogate} answers after it was closed")
        return outcome

    def _interrupted(self, surrogate: anb_onnx.Surrogate, engine: str) -> str:
        n = ROWS[engine]
        out = Outputs.empty(n, 8, members=True)
        for array in out:
            assert array is not None
            array.fill(np.nan)
        outcome = "answered"
        sender = threading.Timer(10 ** self.random.uniform(-6, -2.3), signal.raise_signal)
        sender.args = [signal.SIGINT]
        armed.set()
        try:
            try:
                sender.start()
                surrogate.query_codes(self.codes[:n], out=out)
            finally:
                armed.clear()
                sender.cancel()
        except KeyboardInterrupt:
            outcome = "interrupted"
        seen = [array.copy() for array in out if array is not None]
        sender.join()
        surrogate.query_codes(self.codes[: n // 4])
        if any(a.tobytes() != b.tobytes() for a, b in zip(seen, out, strict=True)):  # type: ignore[union-attr]
            raise WrongError("outputs were written after the interrupt")
        if outcome == "answered":
            self._check(out, n)
        return outcome

    def _a_moment(self) -> None:
        threading.Event().wait(10 ** self.random.uniform(-6, -2.3))

    def _check(self, out: Any, n: int) -> None:
        if not self._is_right(out, n):
            raise WrongError("other bits")

    def _is_right(self, out: Any, n: int) -> bool:
        return all(
            found is None or right is None or found.tobytes() == right[:n].tobytes()
            for found, right in zip(out, self.expected, strict=True)
        )


#: Whether a SIGINT is one of ours, and not too late.
armed = threading.Event()


def _on_interrupt(number: int, frame: Any) -> None:
    if armed.is_set():
        raise KeyboardInterrupt


def main() -> int:
    """Play the rounds, print what happened, and return 0 if all was as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--scenario", action="append")
    arguments = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGINT, _on_interrupt)
    stress = Stress(arguments.seed)
    scenarios = arguments.scenario or list(stress.scenarios)
    for number in range(arguments.rounds):
        # If a round hangs, all threads tell where; a limit, not a measurement.
        faulthandler.dump_traceback_later(120, exit=True)
        scenario = scenarios[number % len(scenarios)]
        engine = stress.random.choice(arguments.engine or ENGINES)
        try:
            stress.round(scenario, engine)
        except WrongError as error:
            sys.stdout.write(f"WRONG in round {number}, {scenario}, {engine}: {error}\n")
            return 1
    faulthandler.cancel_dump_traceback_later()
    for (scenario, engine, outcome), count in sorted(stress.outcomes.items()):
        sys.stdout.write(f"{scenario:16} {engine:12} {outcome:12} {count:6}\n")
    sys.stdout.write(f"{arguments.rounds} rounds, 0 crashes, 0 wrong\n")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
