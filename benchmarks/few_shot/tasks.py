"""Which devices are asked about, and which are known when they are.

Device splits of HELP (Lee et al., NeurIPS 2021) as its code has them, and the twelve tasks of
NASFLAT (Akhauri and Abdelfattah, "On Latency Predictors for Neural Architecture Search", arXiv
2403.02446) as `correlation_trainer/device_task_list.py` of abdelfattah-lab/nasflat_latency lists
them: index 0 is ND and FD, 1 to 4 are N1 to N4 and F1 to F4, 5 is NA and FA.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Roles of devices. Settings are chosen by the first two.
ROLES = ("train", "valid", "test", "nasflat")

#: Spaces in the order of the report.
SPACES = ("nasbench201", "fbnet", "ofa", "mnasnet")


@dataclass(frozen=True)
class Question:
    """A device that is new, and what is known when it is measured.

    Attributes
    ----------
    space : str
    role : str
        One of `ROLES`.
    task : str
        "help", "one-out" or the name of NASFLAT's.
    device : str
        As the data calls it; of MnasNet the name of the target.
    sources : tuple of str
        Devices that are known, called alike.
    rest : bool
        Whether samples may be any architectures, and all others are predicted: NASFLAT's way.
        Else samples are of the pool, and the test rows are predicted.
    """

    space: str
    role: str
    task: str
    device: str
    sources: tuple[str, ...]
    rest: bool = False

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.space}-{self.role}-{self.task}-{self.device}"


_PHONES = ("samsung_a50", "pixel3", "essential_ph_1", "samsung_s7")
_SILVER = ("silver_4114", "silver_4210r")


def _help(batch: str) -> dict[str, tuple[str, ...]]:
    return {
        "train": ("1080ti_1", "1080ti_32", f"1080ti_{batch}", *_SILVER, *_PHONES),
        "valid": ("titanx_1", "titanx_32", f"titanx_{batch}", "gold_6240"),
    }


#: HELP's devices of each role.
HELP = {
    "nasbench201": _help("256")
    | {"test": ("titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss")},
    "fbnet": _help("64") | {"test": ("fpga", "raspi4", "eyeriss")},
    "ofa": {
        "train": tuple(
            f"{chip}_{n}" for chip in ("2080ti", "titan_xp", "v100") for n in (1, 32, 64)
        ),
        "valid": ("titan_rtx_1", "titan_rtx_32"),
        "test": ("titan_rtx_64",),
    },
}

#: Spearman of HELP on its test devices, trimmed rows, ten samples beside its ten references: tables
#: 3 (NAS-Bench-201) and 2 (FBNet) of the README of HayeonLee/HELP.
HELP_SPEARMAN = {
    "nasbench201": {
        "titan_rtx_256": 0.987,
        "gold_6226": 0.989,
        "pixel2": 0.802,
        "raspi4": 0.890,
        "eyeriss": 0.940,
        "fpga": 0.985,
    },
    "fbnet": {"raspi4": 0.887, "eyeriss": 0.943, "fpga": 0.892},
}

#: The device targets of Accel-NASBench.
MNASNET = (
    *(f"throughput_{device}" for device in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")),
    "latency_zcu102",
    "latency_vck190",
)


@dataclass(frozen=True)
class Task:
    """A task of NASFLAT: devices known and asked about, and its own result.

    `lacking` counts those of its devices, known and asked about, that are not in the data of HELP.
    `spearman` is the mean over its devices with 20 samples, None where it is not like for like.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    lacking: tuple[int, int] = (0, 0)
    spearman: float | None = None


_TITANS = tuple(f"{chip}_{n}" for chip in ("titan_rtx", "titanx", "titanxp") for n in (1, 32, 64))

#: The tasks; Spearman as in the repository's `all_results/aggr_study_6_5_f_zcp` (FBNet).
NASFLAT = {
    "nasbench201": {
        "ND": Task(HELP["nasbench201"]["train"], HELP["nasbench201"]["test"], spearman=0.959),
        "N1": Task(
            ("eyeriss", "pixel3"),
            ("1080ti_1", "titan_rtx_32", "titanxp_1", "2080ti_32", "titan_rtx_1"),
            (3, 0),
        ),
        "N2": Task(
            ("1080ti_1", "1080ti_32", "titanx_32", "titanxp_1", "titanxp_32"), ("pixel3",), (0, 4)
        ),
        "N3": Task(
            ("eyeriss",), ("1080ti_1", "2080ti_1", "titanxp_1", "2080ti_32", "titanxp_32"), (4, 0)
        ),
        "N4": Task(("eyeriss", "pixel2"), ("1080ti_1", "2080ti_1", "titan_rtx_1"), (8, 0)),
        "NA": Task(
            (
                *(f"{chip}_{n}" for n in (1, 32) for chip in ("titan_rtx", "titanxp", "2080ti")),
                *(f"{chip}_{n}" for n in (1, 32) for chip in ("titanx", "1080ti")),
                *("gold_6226", "samsung_s7", "silver_4114", "gold_6240", "silver_4210r"),
                *("samsung_a50", "pixel2"),
            ),
            ("eyeriss",),
            (0, 2),
        ),
    },
    "fbnet": {
        "FD": Task(HELP["fbnet"]["train"], HELP["fbnet"]["test"], spearman=0.961),
        "F1": Task(
            ("2080ti_1", "essential_ph_1", "silver_4114", "titan_rtx_1", "titan_rtx_32"),
            ("eyeriss", "fpga", "raspi4", "samsung_a50", "samsung_s7"),
            spearman=0.809,
        ),
        "F2": Task(
            ("essential_ph_1", "gold_6226", "gold_6240", "pixel3", "raspi4"),
            ("1080ti_1", "1080ti_32", "2080ti_32", "titan_rtx_1", "titanxp_1"),
            spearman=0.871,
        ),
        "F3": Task(
            ("essential_ph_1", "pixel2", "pixel3", "raspi4", "samsung_s7"),
            ("1080ti_1", "1080ti_32", "2080ti_1", "titan_rtx_1", "titan_rtx_32"),
            spearman=0.814,
        ),
        "F4": Task(
            (
                *("1080ti_64", "2080ti_1", "eyeriss", "gold_6226", "gold_6240", "raspi4"),
                *("samsung_s7", "silver_4210r", "titan_rtx_1", "titan_rtx_32"),
            ),
            ("1080ti_1", "pixel2", "essential_ph_1"),
            spearman=0.734,
        ),
        "FA": Task(
            (*(f"{chip}_{n}" for chip in ("1080ti", "2080ti") for n in (1, 32, 64)), *_TITANS),
            ("gold_6226", "essential_ph_1", "samsung_s7", "pixel2"),
            spearman=0.577,
        ),
    },
}


def questions(space: str, role: str) -> Iterator[Question]:
    """Yield the questions about a role's devices of a space: none where it has no such devices.

    A train device is asked about while its chip is unknown at every batch size; all devices of
    MnasNet are, each without what else was measured on its board.
    """
    if space == "mnasnet":
        for target in MNASNET if role == "train" else ():
            others = tuple(t for t in MNASNET if _board(t) != _board(target))
            yield Question(space, role, "one-out", target, others)
    elif role == "nasflat":
        for name, task in NASFLAT.get(space, {}).items():
            for device in task.test:
                yield Question(space, role, name, device, task.train, rest=True)
    else:
        train = HELP[space]["train"]
        for device in HELP[space][role]:
            known = tuple(t for t in train if role != "train" or _chip(t) != _chip(device))
            yield Question(space, role, "one-out" if role == "train" else "help", device, known)


def _board(target: str) -> str:
    return target.split("_", 1)[1]


def _chip(device: str) -> str:
    """Return a device without its batch size."""
    chip, _, last = device.rpartition("_")
    return chip if last in ("1", "32", "64", "256") and chip != "essential_ph" else device
