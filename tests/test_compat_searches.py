"""What the searches of the reference (anb_eval) ask of compat, with and without ConfigSpace."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import need_tool

import anb_onnx.compat as anb
from anb_onnx import MNASNET, Architecture, efficientnet_b0, sample
from anb_onnx.compat import cs_json
from anb_onnx.compat.ensembles import Ensemble
from anb_onnx.errors import ArchitectureError, SearchError
from anb_onnx.search.controller import Controller as Policy


def configspace_file() -> str:
    """The reference's file: ConfigSpace 0.6, written down here from its space."""
    listed = []
    for block in range(7):
        layers = [1, 2, 3, 4] if block == 5 else [1, 2, 3]
        for letter, choices in (("e", [1, 4, 6]), ("k", [3, 5]), ("l", layers)):
            listed.append((f"block{block}_{letter}", choices, choices[0]))
        listed.append((f"block{block}_se", [True, False], False))
    hyperparameters = [
        {
            "name": name,
            "type": "categorical",
            "choices": choices,
            "default": default,
            "weights": None,
        }
        for name, choices, default in listed
    ]
    return json.dumps(
        {
            "hyperparameters": hyperparameters,
            "conditions": [],
            "forbiddens": [],
            "python_module_version": "0.6.0",
            "json_format_version": 0.4,
        },
        indent=2,
    )


@pytest.fixture(params=["ours", "ConfigSpace"])
def space(request: pytest.FixtureRequest) -> Any:
    if request.param == "ConfigSpace":
        need_tool("ConfigSpace")
    return cs_json.read(configspace_file(), configspace=request.param == "ConfigSpace")


@pytest.fixture(scope="module")
def accuracy() -> Ensemble:
    return anb.ANBEnsemble("xgb", seed=None).load_ensemble()


def test_the_file_that_is_written_is_that_of_the_reference() -> None:
    assert cs_json.write(anb.ConfigurationSpace()) == configspace_file()
    assert cs_json.write(cs_json.read(configspace_file())) == configspace_file()


def test_both_spaces_are_the_same(space: Any) -> None:
    assert list(space) == list(MNASNET.gene_names)
    for gene in MNASNET.genes:
        assert tuple(space[gene.name].choices) == gene.choices
    default = dict(space.get_default_configuration())
    wanted = {g.name: False if g.kind == "bool" else g.choices[0] for g in MNASNET.genes}
    assert default == wanted


def mutated(space: Any, parent: Any, rng: np.random.Generator) -> Any:
    """A child as the reference's evolution makes it, with ConfigSpace's methods of old and new."""
    one = list(space.values())[rng.integers(len(space))]
    ordinal = type(one).__name__ == "OrdinalHyperparameter"
    choices = list(one.sequence if ordinal else one.choices)
    choices.remove(parent[one.name])
    child = copy.deepcopy(parent)
    child[one.name] = choices[rng.integers(len(choices))]
    return child


def test_evolution_on_either_space(space: Any, accuracy: Ensemble) -> None:
    rng = np.random.default_rng(0)
    space.seed(3)
    population = list(space.sample_configuration(5))
    for parent in population:
        child = mutated(space, parent, rng)
        assert sum(child[name] != parent[name] for name in MNASNET.gene_names) == 1
        alone, _ = accuracy.query(child)
        together, std = accuracy.query([parent, child])
        assert alone.shape == (1,)
        assert alone[0] == together[1]
        assert std.shape == (2,)


def test_seeded_draws(space: Any) -> None:
    space.seed(7)
    first = [dict(space.sample_configuration()) for _ in range(3)]
    space.seed(7)
    assert [dict(space.sample_configuration()) for _ in range(3)] == first
    assert len({tuple(config.values()) for config in first}) == 3


def test_choices_of_a_controller_become_configurations(space: Any, accuracy: Ensemble) -> None:
    codes = sample(4, seed=1, space=MNASNET)
    made = [anb.actions_indices_to_config(row, space) for row in codes]
    np.testing.assert_array_equal(
        accuracy.query([config for config, _ in made])[0], accuracy.surrogate.query(codes).mean
    )
    for row, (config, design) in zip(codes, made, strict=True):
        architecture = Architecture.from_codes(row.tolist(), space=MNASNET)
        assert dict(config) == dict(architecture)
        assert config.get_array().tolist() == row.tolist()
        # JSON takes it: no number of NumPy's is left in it.
        assert json.loads(json.dumps(anb.configuration_to_searchable(config))) == design
        for number, block in enumerate(design):
            values = [architecture[f"block{number}_{gene}"] for gene in ("e", "k", "l", "se")]
            assert [block[1], block[2], block[6], block[7]] == values


def test_blocks_of_b0() -> None:
    assert anb.configuration_to_searchable(efficientnet_b0()) == [
        ["MB", 1, 3, 1, 32, 16, 1, True],
        ["MB", 6, 3, 2, 16, 24, 2, True],
        ["MB", 6, 5, 2, 24, 40, 2, True],
        ["MB", 6, 3, 2, 40, 80, 3, True],
        ["MB", 6, 5, 1, 80, 112, 3, True],
        ["MB", 6, 5, 2, 112, 192, 4, True],
        ["MB", 6, 3, 1, 192, 320, 1, True],
    ]


def test_configuration_as_configspace_makes_it() -> None:
    space = anb.ConfigurationSpace(seed=1)
    drawn = space.sample_configuration()
    assert isinstance(drawn, anb.Configuration)
    assert anb.Configuration(space, values=drawn.get_dictionary()) == drawn
    assert isinstance(space.sample_configuration(1), anb.Configuration)  # as 0.6 does
    with pytest.raises(ArchitectureError, match="block0_e"):
        anb.Configuration(space, values={**drawn, "block0_e": 5})
    assert "block9_e" not in space
    with pytest.raises(ArchitectureError, match="block9_e"):
        space.get_hyperparameter("block9_e")


def test_the_methods_of_configspace_0_6() -> None:
    space = anb.ConfigurationSpace()
    assert space.get_hyperparameter_names() == list(MNASNET.gene_names)
    assert [one.name for one in space.get_hyperparameters()] == list(MNASNET.gene_names)
    assert space.estimate_size() == MNASNET.size
    assert "block5_l, Type: Categorical, Choices: {1, 2, 3, 4}, Default: 1" in str(space)


def changed(change: Any) -> str:
    document = json.loads(configspace_file())
    change(document)
    return json.dumps(document)


def test_an_ordinal_gene_and_the_names_of_1_x() -> None:
    def newer(document: dict[str, Any]) -> None:
        one = document["hyperparameters"][2]
        one["type"], one["sequence"] = "ordinal", one.pop("choices")
        one["default_value"] = 2
        del one["default"]

    space = cs_json.read(changed(newer))
    one = space["block0_l"]
    assert isinstance(one, anb.OrdinalHyperparameter)
    assert (one.sequence, one.default_value) == ((1, 2, 3), 2)
    assert cs_json.read(cs_json.write(space)) == space


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "list of 'hyperparameters'"),
        (changed(lambda d: d.update(forbiddens=[{}])), "'forbiddens'"),
        (
            changed(lambda d: d["hyperparameters"].pop(3)),
            "'block0_se' of Accel-NASBench is missing",
        ),
        (changed(lambda d: d["hyperparameters"][0].update(name="x")), "'block0_e'"),
        (changed(lambda d: d["hyperparameters"][1].update(name="block0_e")), "of its own"),
        (changed(lambda d: d["hyperparameters"][0].update(choices=[1, 6, 4])), "in this order"),
        (changed(lambda d: d["hyperparameters"][3].update(choices=[1, 0])), "True, False"),
        (changed(lambda d: d["hyperparameters"][0].update(default=3)), "the default 3"),
        (changed(lambda d: d["hyperparameters"][0].update(type="uniform_int")), "hyperparameter 0"),
        (changed(lambda d: d["hyperparameters"].append(5)), "hyperparameter 28"),
        (
            changed(
                lambda d: d["hyperparameters"].append({**d["hyperparameters"][0], "name": "z"})
            ),
            "no hyperparameter 'z'",
        ),
    ],
    ids=lambda value: "" if len(value) > 60 else value,
)
def test_other_files_are_refused(text: str, said: str) -> None:
    with pytest.raises(ArchitectureError, match=said):
        cs_json.read(text)


@pytest.mark.parametrize("indices", [None, [0] * 27, [3] * 28, ["x"] * 28, [-1] * 28])
def test_other_choices_are_refused(indices: Any) -> None:
    with pytest.raises(ArchitectureError):
        anb.actions_indices_to_config(indices, None)


_FEW = st.sampled_from([0.0, 1.0, 2.0, 3.0])


@given(st.lists(st.tuples(_FEW, _FEW), max_size=12), st.booleans(), st.booleans())
def test_the_front_is_what_nothing_dominates(
    points: list[tuple[float, float]], maxx: bool, maxy: bool
) -> None:
    y, x = (np.array([point[i] for point in points]) for i in range(2))
    front_y, front_x, indices = anb.pareto_frontier(np.array([y, x]), maxX=maxx, maxY=maxy)
    good_y, good_x = y if maxy else -y, x if maxx else -x
    wanted = [
        i
        for i in range(len(points))
        if not (
            (good_y >= good_y[i])
            & (good_x >= good_x[i])
            & ((good_y > good_y[i]) | (good_x > good_x[i]))
        ).any()
    ]
    assert sorted(indices) == wanted
    assert front_y.tolist() == y[indices].tolist()
    assert front_x.tolist() == x[indices].tolist()
    assert good_y[indices].tolist() == sorted(good_y[indices], reverse=True)


@pytest.mark.parametrize("points", [[1.0], [[1.0]], [["a"], ["b"]], [[1.0, np.nan], [1.0, 2.0]]])
def test_other_points_are_refused(points: Any) -> None:
    with pytest.raises(SearchError, match="point"):
        anb.pareto_frontier(points)


def test_the_controller_draws_and_tells_probabilities() -> None:
    controller = anb.Controller(32, device="cuda:0", seed=12).to("cuda:0")
    p, log_p, index = controller.sample()
    assert (p.shape, log_p.shape, index.shape) == ((28,),) * 3
    again_p, again_log_p = controller.get_p(index.tolist())
    assert (again_p.tolist(), again_log_p.tolist()) == (p.tolist(), log_p.tolist())
    assert anb.Controller(32, seed=12).sample()[2].tolist() == index.tolist()
    with pytest.raises(ArchitectureError, match="block0_e"):
        controller.get_p([256] + [0] * 27)  # not 0, which a byte would make of it


def test_the_controller_learns_as_the_policy_does() -> None:
    controller = anb.Controller(32, seed=4, learning_rate=0.01)
    policy = Policy(MNASNET, np.random.default_rng(4))
    indices = [controller.sample()[2] for _ in range(6)]
    rewards = np.arange(6.0)
    read = policy.read(np.array(indices, np.uint8))
    wanted = policy.loss(read, rewards - 2.0, 0.1)
    before = controller.get_p(indices[5])[1].sum()
    assert controller.learn(indices, rewards, 2.0, 0.1) == wanted
    assert controller.get_p(indices[5])[1].sum() > before
    with pytest.raises(SearchError, match="6 finite numbers"):
        controller.learn(indices, rewards[:5], 2.0)


def test_what_a_controller_has_learned_goes_into_another() -> None:
    first, second = anb.Controller(32, seed=1), anb.Controller(32, seed=2)
    index = first.sample()[2]
    first.learn([index], [1.0], 0.0)
    second.load_state_dict(first.state_dict())
    for controller in (first, second):
        controller.learn([index], [2.0], 0.0)
    assert first.get_p(index)[1].tolist() == second.get_p(index)[1].tolist()
    state = first.state_dict()
    state["adam_first"] = np.zeros(3)
    with pytest.raises(SearchError, match="'adam_first'"):
        second.load_state_dict(state)
    with pytest.raises(SearchError, match="'embedding'"):
        second.load_state_dict({})
