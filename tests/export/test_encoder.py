from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from anb_export.predictors.live import live_features, one_hot
from anb_export.tables.encoder import Encoder, EncoderError, encoder_of
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.ofa import OFA
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms

Codes = NDArray[np.uint8]


def symbols_of(codes: Codes, space: SearchSpace) -> NDArray[np.float32]:
    symbols = codes_to_symbols(codes, space).astype(np.int64)
    return one_hot(symbols, space.block_sizes)


@pytest.mark.parametrize("space", [MNASNET, NASBENCH201, FBNET, OFA], ids=lambda s: str(s.name))
def test_a_column_for_each_symbol_is_a_table_for_each_block(space: SearchSpace) -> None:
    encoder = encoder_of(space, lambda codes: symbols_of(codes, space))
    assert encoder is not None
    assert encoder.terms.blocks == tuple((block,) for block in range(space.n_blocks))
    assert encoder.width == sum(space.block_sizes)
    codes = sample(500, seed=5, space=space)
    found = encoder(codes)
    assert found.dtype == np.float32
    assert np.array_equal(found, symbols_of(codes, space))


def test_layers_within_a_depth_are_tables_of_pairs() -> None:
    encoder = encoder_of(OFA, lambda codes: live_features(codes, OFA))
    assert encoder is not None
    # Each unit has two layers that its depth may leave out.
    assert sum(len(term) == 2 for term in encoder.terms.blocks) == 10
    codes = sample(500, seed=6, space=OFA)
    assert np.array_equal(encoder(codes), live_features(codes, OFA))


def test_what_mixes_three_blocks_has_none() -> None:
    assert encoder_of(NASBENCH201, lambda codes: live_features(codes, NASBENCH201)) is None

    def rare(codes: Codes) -> NDArray[np.float64]:
        """So rare that few random architectures have it, but 0 at the base."""
        return np.asarray(np.prod(codes[:, :3] > 1, axis=1, dtype=np.float64)[:, None])

    assert encoder_of(NASBENCH201, rare) is None


def test_pairs_that_do_nothing_have_no_table() -> None:
    def one_pair(codes: Codes) -> NDArray[np.float64]:
        return np.stack([codes[:, 1] * 2.0 + 7, codes[:, 2] * codes[:, 4]], axis=1)

    encoder = encoder_of(NASBENCH201, one_pair)
    assert encoder is not None
    assert {term for term in encoder.terms.blocks if len(term) == 2} == {(2, 4)}
    codes = sample(200, seed=7, space=NASBENCH201)
    assert np.array_equal(encoder(codes), one_pair(codes))


def test_features_that_never_change_are_a_table_too() -> None:
    encoder = encoder_of(FBNET, lambda codes: np.zeros((len(codes), 3)))
    assert encoder is not None
    assert not encoder(sample(9, seed=0, space=FBNET)).any()


def test_tables_that_would_be_too_large_are_none() -> None:
    assert encoder_of(FBNET, lambda codes: np.zeros((len(codes), 400_000), np.float32)) is None


@pytest.mark.parametrize(
    "entries",
    [np.zeros((29, 2), np.float32), np.zeros((30, 2)), np.zeros(30, np.float32)],
    ids=["rows", "dtype", "axes"],
)
def test_entries_are_those_of_the_terms(entries: NDArray[np.float32]) -> None:
    terms = Terms.of_order(NASBENCH201, 1)
    with pytest.raises(EncoderError, match=r"entries must be float32 \[30, d\], found"):
        Encoder(terms, entries)


def test_terms_of_several_blocks_are_read_in_their_order() -> None:
    terms = Terms(NASBENCH201, ((0, 3), (1, 2, 5)))
    entries = np.arange(terms.n_entries, dtype=np.float32)[:, None]
    codes = sample(100, seed=8, space=NASBENCH201)
    symbols = codes_to_symbols(codes, NASBENCH201).astype(np.int64)
    a, b, c, d, _, f = symbols.T
    wanted = a * 5 + d + 25 + (b * 5 + c) * 5 + f
    assert np.array_equal(Encoder(terms, entries)(codes)[:, 0], wanted)
    assert [end - start for start, end in pairwise(terms.offsets)] == [25, 125]
