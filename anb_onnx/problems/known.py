"""What is proven of the tasks; written by `python -m benchmarks.tasks`, never by hand."""

from __future__ import annotations

#: SHA-256 of the artifact of each target.
ARTIFACTS: dict[str, str] = {
    "accuracy": "3cf6428e8be1552a0b49e7a4bce32567833c7fb1a1fb1977e06041347f34f528",
    "latency_vck190": "8e7371c15db5de0371808d47537134ff763123712a205bc17eaf2d1c815a6e0d",
    "latency_zcu102": "43b42b7835397b2abeae913191df41458f4342cc5c6081fc0237efd730b9653b",
    "params": "761692eb094e90e1757f062b35a65e32e0a0c0c4442bb022d121df6c35ea0340",
    "throughput_3090": "79d3ffd0482ba4ee1db3c92514441de622542a12720b55c6e614c32fbaebbb8a",
    "throughput_a100": "5a8aa875abcaec4afd3ec125b142718433781b0b5434eb402f05c4de18a53fd9",
    "throughput_tpuv2": "eb75c5af0b7867fcdd615f8bc03e1c2fe9ac197568b4a649ba2fcad763a1ba99",
    "throughput_tpuv3": "0752214d10276dd6297b2a60c7dcb798e4e780e6ab3e29d2547cd1ef968565bb",
    "throughput_vck190": "e9e119efe55eff0b4cb8b156b59540cab68e66ea61c0bb28af7192d9aed93448",
    "throughput_zcu102": "f18b934d3bc5219b30366f707658718ad4b85a13af08d2457d12c04789de762c",
    "train_time": "ab45cea193becdf68786bb3160f940f06af50a3999e61f1b4f0c4c787fea9d47",
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
