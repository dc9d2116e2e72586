"""The tasks that come with the package, as they are defined; what is known of them is in `known`.

A task that was in a release is never changed: a better one is a new version beside it.
"""

from __future__ import annotations

from anb_onnx.problems.task import Budget, Product, Task

# What Accel-NASBench's own searches use: 100 epochs of 6 episodes, here and there 250.
_ONE, _SEVERAL = Budget(1_000), Budget(10_000)

# Hours of training, by the surrogate of the training time: what some 390 architectures take.
_TRAINING_SECONDS = 250 * 3600.0

_LATENCIES = {"latency_vck190": 3.0, "latency_zcu102": 5.0}

# Near the fastest of the architectures that the authors' searches chose for each device (labels in
# anb_eval/nas_optimizers/policy_gradient.py of their repository; tpuv2 by its ratio to tpuv3).
_THROUGHPUTS = {
    "throughput_3090": 8000.0,
    "throughput_a100": 12000.0,
    "throughput_tpuv2": 1100.0,
    "throughput_tpuv3": 1400.0,
    "throughput_vck190": 3500.0,
    "throughput_zcu102": 500.0,
}

# The exponent of the authors' reward, after MnasNet (Tan et al., 2019).
_EXPONENT = 0.07


def _constrained() -> list[Task]:
    made = [
        Task(
            f"accuracy-{target}-{limit:g}ms-v1",
            f"best accuracy with {target} of at most {limit:g} ms",
            ("accuracy",),
            ((target, "<=", limit),),
            _ONE,
        )
        for target, limit in (*_LATENCIES.items(), ("latency_zcu102", 3.0))
    ]
    made += [
        Task(
            f"accuracy-{target}-{limit:g}-v1",
            f"best accuracy with {target} of at least {limit:g} images/s",
            ("accuracy",),
            ((target, ">=", limit),),
            _ONE,
        )
        for target, limit in _THROUGHPUTS.items()
    ]
    made.append(
        Task(
            "accuracy-params-4M-latency_zcu102-5ms-v1",
            "best accuracy with at most 4 M parameters and latency_zcu102 of at most 5 ms",
            ("accuracy",),
            (("params", "<=", 4.0), ("latency_zcu102", "<=", 5.0)),
            _ONE,
        )
    )
    return made


def _fronts() -> list[Task]:
    return [
        Task(
            f"accuracy-{target}-front-v1",
            f"front of accuracy and {target}",
            ("accuracy", target),
            (),
            _SEVERAL,
        )
        for target in (*_THROUGHPUTS, *_LATENCIES)
    ]


def _rewards() -> list[Task]:
    """Return tasks of the authors' bi-objective reward, with latency's sign put right."""
    goals = {**{t: (v, _EXPONENT) for t, v in _THROUGHPUTS.items()}}
    goals |= {t: (v, -_EXPONENT) for t, v in _LATENCIES.items()}
    return [
        Task(
            f"reward-{target}-v1",
            f"accuracy * ({target} / {goal:g})^{exponent:g}",
            (Product("accuracy", target, goal, exponent),),
            (),
            _ONE,
        )
        for target, (goal, exponent) in goals.items()
    ]


def definitions() -> list[Task]:
    """Return the tasks, without what is known of them: first those that tell optimizers apart."""
    plain = Task("accuracy-v1", "best accuracy", ("accuracy",), (), _ONE)
    noisy = Task(
        "accuracy-noisy-v1",
        "best accuracy, each observation with the noise of a training run of its own",
        ("accuracy",),
        (),
        _ONE,
        "predictive_std",
    )
    hours = Task(
        "accuracy-gpu-hours-v1",
        "best accuracy within 250 hours of training, by train_time",
        ("accuracy",),
        (),
        Budget(10_000, _TRAINING_SECONDS),
        "none",
        "train_time",
    )
    return [*_constrained(), *_fronts(), *_rewards(), plain, noisy, hours]
