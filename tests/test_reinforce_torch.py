"""Our REINFORCE against torch: its LSTM cell, its automatic differentiation, its Adam."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools import need_tool

from anb_onnx import MNASNET, NASBENCH201, Block, Gene, SearchSpace
from anb_onnx.search.controller import START_ROW, Controller
from anb_onnx.search.policy import PolicyGradient

torch: Any = need_tool("torch")

LEARNING_RATE, DECAY, ENTROPY_WEIGHT = 0.02, 0.95, 0.3
TOLERANCE = 1e-12

#: Two kinds of genes that share choices with a third, one gene without a choice.
MIXED = SearchSpace(
    "mixed",
    (
        Block("a", (Gene("a_x", (1, 2)), Gene("a_on", (True, False)), Gene("a_y", (1, 2, 3)))),
        Block("b", (Gene("b_x", (1, 2)), Gene("b_only", ("same",)), Gene("b_z", (4, 2, 3)))),
    ),
)


class Policy:
    """The policy as torch has it; which decoder and rows a gene has is written down by hand."""

    def __init__(self, genes: list[tuple[int, int]], sizes: list[int], rows: int) -> None:
        self.genes = genes  # decoder, first row
        self.embedding = torch.nn.Embedding(rows, 32)
        self.cell = torch.nn.LSTMCell(32, 100)
        self.decoders = torch.nn.ModuleList(torch.nn.Linear(100, size) for size in sizes)
        for module in (self.embedding, self.cell, self.decoders):
            module.double()

    def named(self) -> dict[str, Any]:
        """Parameters by the names that ours have."""
        own = {"embedding": self.embedding.weight}
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            own[name] = getattr(self.cell, name)
        for number, decoder in enumerate(self.decoders):
            own[f"weight_{number}"], own[f"bias_{number}"] = decoder.weight, decoder.bias
        return own

    def log_p(self, codes: list[int]) -> Any:
        """Logarithms of the probabilities of the choices of one architecture."""
        state = torch.zeros(1, 100).double(), torch.zeros(1, 100).double()
        row = START_ROW
        found = []
        for code, (decoder, first) in zip(codes, self.genes, strict=True):
            state = self.cell(self.embedding(torch.tensor([row])), state)
            logits = self.decoders[decoder](state[0])
            found.append(torch.log_softmax(logits, dim=-1)[0, code])
            row = first + code
        return torch.stack(found)


# Rows: expansion 0 to 2, kernel 3 and 4, layers 5 to 8, squeeze-and-excitation 9 and 10.
_BLOCK = [(0, 0), (1, 3), (2, 5), (3, 9)]
_BLOCK_5 = [(0, 0), (1, 3), (4, 5), (3, 9)]
CASES = {
    "mnasnet": (MNASNET, [*_BLOCK * 5, *_BLOCK_5, *_BLOCK], [3, 2, 3, 2, 4], 11),
    "nasbench201": (NASBENCH201, [(0, 0)] * 6, [5], 5),
    "mixed": (MIXED, [(0, 0), (1, 3), (2, 0), (0, 0), (3, 5), (4, 6)], [2, 2, 3, 1, 3], 9),
}


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_torch(name: str) -> None:
    space, genes, sizes, rows = CASES[name]
    rng = np.random.default_rng(5)
    controller = Controller(space, rng)
    policy = PolicyGradient(
        controller,
        learning_rate=LEARNING_RATE,
        baseline_decay=DECAY,
        entropy_weight=ENTROPY_WEIGHT,
    )
    theirs = Policy(genes, sizes, rows)
    named = theirs.named()
    assert {key: tuple(value.shape) for key, value in named.items()} == {
        key: value.shape for key, value in controller.parts.items()
    }
    with torch.no_grad():
        for key, value in named.items():
            value.copy_(torch.from_numpy(controller.parts[key]))
    adam = torch.optim.Adam(named.values(), lr=LEARNING_RATE)
    baseline: float | None = None
    for n in (6, 6, 1, 6, 4):
        episodes = controller.sample(n, rng)
        rewards = rng.normal(3.0, 1.0, n)
        loss = torch.zeros(()).double()
        for reward in rewards.tolist():
            baseline = reward if baseline is None else baseline * DECAY + reward * (1 - DECAY)
        assert baseline is not None
        for row, reward, log_p in zip(episodes.codes, rewards, episodes.log_p, strict=True):
            found = theirs.log_p(row.tolist())
            np.testing.assert_allclose(log_p, found.detach().numpy(), rtol=0, atol=TOLERANCE)
            entropy = -torch.sum(torch.exp(found) * found)
            loss += -torch.sum(found * (reward - baseline)) - ENTROPY_WEIGHT * entropy
        loss /= n
        adam.zero_grad()
        loss.backward()
        # The gradient is asked for once more than the step does: it is the same.
        advantages = rewards - baseline
        gradient = controller.gradient(episodes, advantages, ENTROPY_WEIGHT)
        for key, part in controller.split(gradient).items():
            wanted = named[key].grad.numpy()
            np.testing.assert_allclose(part, wanted, rtol=0, atol=TOLERANCE, err_msg=key)
        assert policy.learn(episodes, rewards) == pytest.approx(loss.item(), abs=TOLERANCE)
        adam.step()
        assert policy.baseline == pytest.approx(baseline, abs=TOLERANCE)
        for key, part in controller.parts.items():
            wanted = named[key].detach().numpy()
            np.testing.assert_allclose(part, wanted, rtol=0, atol=TOLERANCE, err_msg=key)
