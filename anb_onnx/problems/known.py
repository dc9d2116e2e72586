"""What is proven of the tasks; written by `python -m benchmarks.tasks`, never by hand."""

from __future__ import annotations

#: SHA-256 of the artifact of each target.
ARTIFACTS: dict[str, str] = {
    "accuracy": "d160b8850be19a761a4b30a614cf0d8ce08fac4e4ade5962fec7ef89d28d28b5",
    "latency_vck190": "b7e204f7710a159bfeb00248e743ec31b72381b77626d9781f8ac1953174a2f4",
    "latency_zcu102": "32e5a265b1cabe755e67ef22d0b3f0d57e255547df38f6e0f2252d128637c6f9",
    "params": "79c1f106a56b31521b104522f5a4a890ed07b4dc3180be33cecc75583132384d",
    "throughput_3090": "c4e2d0319d2e78ace5a058ff87a9b05a1e3e2917208baab4521f1cf0b243460c",
    "throughput_a100": "015e98ca4a6ac965b040648000377ac125427aded4c454ad31c5474e17d053a2",
    "throughput_tpuv2": "4b762039f5a2f5075cacee3f978c0cf4ce5caac5aa497b8150c50c11120c161f",
    "throughput_tpuv3": "72eb3048ee39330ad98f30faa87e8cf27e6427da61816554522b37ebe5153c27",
    "throughput_vck190": "22f1c09c30afcedd513f11d23fcff8cd9973c6a9cbf3b584940e989e2081c232",
    "throughput_zcu102": "e528514e06fd00f379771e5afd21c0ce0b5730030cf4c8ee4e2cc123c712f2b2",
    "train_time": "c77d98953c3102aec6f8ec7c1fba4a9d57f3afff6b70c2c732a70c80bee7f707",
}

#: Index and value of each optimum, in the unit of the objective.
OPTIMA: dict[str, tuple[int, float]] = {
    "accuracy-latency_vck190-3ms-v1": (5307574420, 67.15384674072266),
    "accuracy-latency_zcu102-5ms-v1": (5145773073, 65.98468017578125),
    "accuracy-latency_zcu102-3ms-v1": (3990442602, 62.926361083984375),
    "accuracy-throughput_3090-8000-v1": (26898485144, 66.28351593017578),
    "accuracy-throughput_a100-12000-v1": (21037563610, 66.33087921142578),
    "accuracy-throughput_tpuv2-1100-v1": (3706340500, 66.60526275634766),
    "accuracy-throughput_tpuv3-1400-v1": (28054064338, 67.34649658203125),
    "accuracy-throughput_vck190-3500-v1": (5145895864, 66.83409881591797),
    "accuracy-throughput_zcu102-500-v1": (9983621946, 65.69124603271484),
    "accuracy-params-4M-latency_zcu102-5ms-v1": (10951021866, 65.58074188232422),
    "reward-throughput_3090-v1": (21113766680, 66.51374264163655),
    "reward-throughput_a100-v1": (3699444056, 66.51539133249882),
    "reward-throughput_tpuv2-v1": (3547336858, 66.65695172208544),
    "reward-throughput_tpuv3-v1": (4837231762, 67.45170679862667),
    "reward-throughput_vck190-v1": (5145895576, 66.945226032326),
    "reward-throughput_zcu102-v1": (4178687610, 65.77074093328874),
    "reward-latency_vck190-v1": (5146146388, 67.27122990955702),
    "reward-latency_zcu102-v1": (4178687505, 66.06802030634307),
    "accuracy-v1": (104483310874, 68.47312927246094),
    "accuracy-noisy-v1": (104483310874, 68.47312927246094),
    "accuracy-gpu-hours-v1": (104483310874, 68.47312927246094),
}

#: Reference points of hypervolumes, in the units of the objectives.
REFERENCES: dict[str, tuple[float, ...]] = {
    "accuracy-throughput_3090-front-v1": (33.51436233520508, 2017.1025390625),
    "accuracy-throughput_a100-front-v1": (33.51436233520508, 2876.36669921875),
    "accuracy-throughput_tpuv2-front-v1": (33.51436233520508, 242.96316528320312),
    "accuracy-throughput_tpuv3-front-v1": (33.51436233520508, 462.20458984375),
    "accuracy-throughput_vck190-front-v1": (33.51436233520508, 372.630859375),
    "accuracy-throughput_zcu102-front-v1": (33.51436233520508, 70.96610260009766),
    "accuracy-latency_vck190-front-v1": (33.51436233520508, 14.84277057647705),
    "accuracy-latency_zcu102-front-v1": (33.51436233520508, 31.588472366333008),
}
