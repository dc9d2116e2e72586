"""The model card: what an artifact says of itself, in its file and in the manifest's entry.

This is its one reader and writer. `docs/manifest.schema.json` states the same for other clients:
its keys of a target are the fields here, and what `Card.from_dict` accepts follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, TypeGuard

from anb_onnx._io.show import MAX_NAME, is_name, show
from anb_onnx.calibration import Calibration
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.spaces.space import MAX_BLOCKS
from anb_onnx.tables import MAX_MEMBERS
from anb_onnx.terms import MAX_ENTRIES, MAX_TERMS
from anb_onnx.vectors import MAX_OUTPUTS, check_tables

#: Forms of artifacts, the first three of which hold tables: of one output, or of several.
FORMS = ("tables", "projected", "vector", "trees", "tree64", "kernel", "network")
_TABLE_FORMS = FORMS[:3]

#: The form of artifacts of several outputs.
VECTOR: Final = FORMS[2]

#: Parts of a data set whose figures say how good an artifact with a calibration is: rows that were
#: never trained on, or of few measurements each one, predicted from all others.
HELD_OUT = ("test", "leave_one_out")

#: Keys that are about the file: they stand in the manifest's entry only.
FILE_KEYS = ("file", "sha256", "bytes")

_LARGEST: Final = 3.4028234663852886e38


@dataclass(frozen=True, eq=False, kw_only=True)
class Card(Mapping[str, Any]):
    """A model card; as a mapping, its document in JSON with the keys in alphabetical order.

    Fields that may be absent are None where they are. Made directly, a card is not checked:
    `from_dict` does that, on what is read and before anything is written.

    Attributes
    ----------
    form : str
        One of `FORMS`: how the ensemble is written.
    metric, device, unit, direction : str
        Of the target; the device may be None.
    members : int
        Number of ensemble members.
    exact : bool
        Whether the target is counted, not estimated.
    link : mapping
        See `anb_onnx.links.Link`.
    quality : mapping
        Figures by the part of the data set they were measured on, ``n`` among them.
    versions : mapping
        Of the packages that made the file.
    file, sha256, bytes : str, str and int, or None
        Name, digest and size of the file; in the manifest only.
    benchmark : str or None
        Name of the benchmark; in the file only, as a manifest states it once.
    seeds : list of int, or None
    terms : list of list of int, or None
        See `anb_onnx.terms.Terms`; of forms that hold tables.
    tables : mapping or None
        Where the tables lie in the file; in the manifest only.
    outputs : list of mapping, or None
        Name, unit, direction and link of each output, with a calibration and figures of quality
        where there are some; of the form "vector" only.
    curve : mapping or None
        How a curve is made of the outputs, see `anb_onnx.curves.CurveForm`; "vector" only.
    seed_noise : mapping or None
        ``output``, the name of the output that predicts the standard deviation between runs of
        different seeds, and ``calibration``, that of the mean over all seeds; "vector" only.
    calibration : mapping or None
        See `anb_onnx.calibration.Calibration`.
    target_std : float or None
        Standard deviation of the measurements, in the target's unit.
    recipe : str or None
    dataset : mapping or None
        Name, licence and digest of the measurements, and how many were used.
    license : str or None
        Of the artifact.
    others : mapping
        All further keys: new ones may come without a new schema.
    """

    form: str
    metric: str
    device: str | None
    unit: str
    direction: Literal["max", "min"]
    members: int
    exact: bool
    link: Mapping[str, Any]
    quality: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, str]
    file: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    benchmark: str | None = None
    seeds: list[int] | None = None
    terms: list[list[int]] | None = None
    tables: Mapping[str, Any] | None = None
    outputs: list[Mapping[str, Any]] | None = None
    curve: Mapping[str, Any] | None = None
    seed_noise: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] | None = None
    target_std: float | None = None
    recipe: str | None = None
    dataset: Mapping[str, Any] | None = None
    license: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], source: str, *, listed: bool) -> Card:
        """Read a card.

        Parameters
        ----------
        document : mapping
            As parsed from JSON.
        source : str
            Names the card in errors.
        listed : bool
            Whether it is an entry of a manifest, or stands in the file.

        Raises
        ------
        ArtifactError
            If a key is missing, there where it must not be, or of a value that is not allowed.
        """
        required = (*REQUIRED, *(FILE_KEYS if listed else ()))
        known = [key for key in FIELDS if key in document or key in required]
        check_values(document, known, source)
        if "device" not in document:  # the one that may be null
            msg = f"{source}: key 'device' is missing"
            raise ArtifactError(msg)
        card = cls(
            **{key: document[key] for key in known},
            others={key: value for key, value in document.items() if key not in FIELDS},
        )
        card._check_form(source, listed)
        calibrated = {"": (card.calibration or card.seed_noise, card.quality)}
        for k, output in enumerate(card.outputs or ()):
            calibrated[f"outputs[{k}]."] = output.get("calibration"), output.get("quality", {})
        for prefix, (calibration, quality) in calibrated.items():
            if calibration is not None and not (
                card.dataset is not None
                and card.license is not None
                and any(part in quality for part in HELD_OUT)
            ):
                msg = (
                    f"{source}: a calibration needs the keys 'dataset', 'license' and "
                    f"{' or '.join(repr(f'{prefix}quality.{part}') for part in HELD_OUT)}"
                )
                raise ArtifactError(msg)
        return card

    def _check_form(self, source: str, listed: bool) -> None:
        """Check that tables are stated exactly where the form has some."""
        has_tables, is_vector = self.form in _TABLE_FORMS, self.form == VECTOR
        wanted = {"terms": has_tables, "tables": has_tables and listed, "outputs": is_vector}
        if not is_vector:
            wanted |= {"curve": False, "seed_noise": False}
        for key, is_wanted in wanted.items():
            if (getattr(self, key) is not None) != is_wanted:
                what = "needs" if is_wanted else "has no"
                msg = f"{source}: an artifact in the form {self.form!r} {what} key {key!r} here"
                raise ArtifactError(msg)
        if self.tables is not None and check_tables(self.tables) != is_vector:
            msg = (
                f"{source}: key 'tables' must be an object of offset, entries, members"
                f"{', outputs' if is_vector else ''}, scale and shift{', lists' * is_vector}, in "
                f"the form {self.form!r}, found {show(self.tables)}"
            )
            raise ArtifactError(msg)
        self._check_outputs(source)

    def _check_outputs(self, source: str) -> None:
        """Check that the target is the first output, or a curve, and noise one of the outputs."""
        if self.outputs is None:
            return
        names = [output["name"] for output in self.outputs]
        if len(set(names)) < len(names):
            msg = f"{source}: key 'outputs': the names must differ, found {show(names)}"
            raise ArtifactError(msg)
        first = self.outputs[0]
        # What may be left out there is the target's.
        for key in ("unit", "direction", "link", "calibration", "quality"):
            stated = getattr(self, key)
            if self.curve is None and first.get(key, stated) != stated:
                msg = (
                    f"{source}: key {key!r} of the first output is {show(first[key])}, of the "
                    f"target {show(stated)}; without a curve they are the same"
                )
                raise ArtifactError(msg)
        if self.seed_noise is not None:
            name = self.seed_noise["output"]
            if name not in names:
                msg = (
                    f"{source}: key 'seed_noise.output' must be one of {', '.join(names)}, not "
                    f"{show(name)}"
                )
                raise ArtifactError(msg)
            unit = self.outputs[names.index(name)]["unit"]
            if unit != self.unit:
                msg = (
                    f"{source}: key 'seed_noise.output': output {name!r} is in {unit}, the target "
                    f"in {self.unit}; a standard deviation is in the target's unit"
                )
                raise ArtifactError(msg)
        if self.calibration is None and (self.curve or {}).get("noise") is not None:
            msg = f"{source}: key 'curve.noise' is of a calibration; there is no key 'calibration'"
            raise ArtifactError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return dict(self._document)

    @cached_property
    def _document(self) -> dict[str, Any]:
        known = {key: getattr(self, key) for key in FIELDS}
        stated = {key: v for key, v in known.items() if v is not None or key in REQUIRED}
        return dict(sorted({**stated, **self.others}.items()))

    def __or__(self, changes: Mapping[str, Any]) -> Card:
        """Return the card with other values of some keys."""
        known = {key: value for key, value in changes.items() if key in FIELDS}
        others = {key: value for key, value in changes.items() if key not in FIELDS}
        return replace(self, **known, others={**self.others, **others})

    def __getitem__(self, key: str) -> Any:
        """Return the value of a key of the document."""
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of the document."""
        return iter(self._document)

    def __len__(self) -> int:
        """Return the number of keys of the document."""
        return len(self._document)


#: Keys that are fields, and those that every card has.
FIELDS = tuple(f.name for f in fields(Card) if f.name != "others")
REQUIRED = FIELDS[: FIELDS.index("file")]


def output_card(card: Mapping[str, Any], k: int) -> dict[str, Any]:
    """Return the card of one output of an artifact in the vector form, as of tables of its own.

    The output's name is its metric; what is not said of the output (device, data, licence, and
    versions) is that of the artifact. So are calibration and quality of the first output where it
    is the target.
    """
    output = card["outputs"][k]
    if k == 0 and "curve" not in card:
        own = {key: card[key] for key in ("calibration", "quality") if key in card}
        output = {**own, **output}
    kept = ("device", "exact", "versions", "seeds", "dataset", "license")
    return {
        **{key: card[key] for key in kept if key in card},
        "metric": output["name"],
        "unit": output["unit"],
        "direction": output["direction"],
        "quality": output.get("quality", {}),
        **({"calibration": output["calibration"]} if "calibration" in output else {}),
    }


def check_values(document: Mapping[str, Any], keys: Any, source: str) -> None:
    """Check values of keys of a card; a missing one counts as null.

    Raises
    ------
    ArtifactError
        Naming the key, its value and what is allowed.
    """
    for key in keys:
        value = document.get(key)
        try:
            holds = _RULES[key].holds(value)
        except ArtifactError as error:
            msg = f"{source}: key {key!r}: {error}"
            raise ArtifactError(msg) from error
        if not holds:
            msg = f"{source}: key {key!r} must be {_RULES[key].words}, not {show(value)}"
            raise ArtifactError(msg)


class _Rule(NamedTuple):
    holds: Callable[[Any], bool]
    words: str


def _integer(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _number(value: object, least: float = -_LARGEST) -> TypeGuard[float]:
    return type(value) in (int, float) and least <= value <= _LARGEST  # type: ignore[operator]


def _mapping(value: object, required: set[str], allowed: set[str] | None = None) -> bool:
    """Whether a value is an object of these keys; of any others too, if none are allowed."""
    return (
        isinstance(value, Mapping)
        and required <= value.keys()
        and (allowed is None or value.keys() <= required | allowed)
    )


def _is_link(value: Any) -> bool:
    if not _mapping(value, {"name", "power", "offset", "inverse"}, {"hinges", "regime"}):
        return False
    regime = value.get("regime", {})
    Link.from_dict(value)
    return (
        isinstance(value["name"], str)
        and isinstance(value["inverse"], (list, tuple))
        and all(value.get(key, True) for key in ("hinges", "regime"))
        and _mapping(regime, set(), {"gene", "codes", "hinges"})
    )


def _is_calibration(value: Any) -> bool:
    keys = {"spread", "noise", "noise_power", "offset", "levels", "quantiles"}
    return _mapping(value, keys, set()) and bool(Calibration.from_dict(value))


def _is_quality(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _mapping(part, {"n"})
        and _integer(part["n"], 0, 2**63)
        and all(type(figure) in (int, float) for figure in part.values())
        for part in value.values()
    )


def _is_versions(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(is_name, value.values()))


def _is_dataset(value: Any) -> bool:
    return (
        _mapping(value, {"name", "license", "sha256"})
        and is_name(value["name"])
        and is_name(value["license"])
        and _is_digest(value["sha256"])
    )


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_terms(value: Any) -> bool:
    """Whether a value may be terms of some space; `Terms` knows which space it is."""
    return (
        isinstance(value, (list, tuple))
        and 0 < len(value) <= MAX_TERMS
        and all(
            isinstance(term, (list, tuple))
            and len(term) > 0
            and all(_integer(block, 0, MAX_BLOCKS - 1) for block in term)
            and len(set(term)) == len(term)
            for term in value
        )
        and len(set(map(tuple, value))) == len(value)
    )


def _is_tables(value: Any) -> bool:
    return check_tables(value) or (
        _mapping(value, {"offset", "entries", "members", "scale", "shift"}, set())
        and _integer(value["offset"], 0, 2**63)
        and _integer(value["entries"], 1, MAX_ENTRIES)
        and _integer(value["members"], 1, MAX_MEMBERS)
        and _number(value["scale"])
        and value["scale"] != 0
        and _number(value["shift"])
    )


def _is_outputs(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and 0 < len(value) <= MAX_OUTPUTS
        and all(
            _mapping(output, {"name", "unit", "direction", "link"}, {"calibration", "quality"})
            and is_name(output["name"])
            and is_name(output["unit"])
            and output["direction"] in ("max", "min")
            and _is_link(output["link"])
            and _is_quality(output.get("quality", {}))
            and ("calibration" not in output or _is_calibration(output["calibration"]))
            for output in value
        )
    )


def _is_seed_noise(value: Any) -> bool:
    return (
        _mapping(value, {"output", "calibration"}, set())
        and is_name(value["output"])
        and _is_calibration(value["calibration"])
    )


def is_file_name(value: Any) -> bool:
    """Whether a value is a plain name of a file, on every system."""
    return (
        is_name(value)
        and not re.search(r'[/\\:*?"<>|]', value)
        and value == value.strip()
        and value[0] != "."
        and value[-1] != "."
    )


#: Names of benchmarks, which are also names of folders.
BENCHMARK = re.compile("[a-z0-9][a-z0-9._-]{0,63}")


def _is_benchmark(value: Any) -> bool:
    return isinstance(value, str) and BENCHMARK.fullmatch(value) is not None


_NAME = _Rule(is_name, f"a non-empty string of at most {MAX_NAME} printable characters")
_RULES = {
    "file": _Rule(is_file_name, "a plain file name"),
    "sha256": _Rule(_is_digest, "64 hexadecimal digits"),
    "bytes": _Rule(lambda v: _integer(v, 1, 2**63), "a positive integer"),
    "members": _Rule(lambda v: _integer(v, 1, MAX_MEMBERS), f"from 1 to {MAX_MEMBERS}"),
    "device": _Rule(lambda v: v is None or is_name(v), f"null or {_NAME.words}"),
    "direction": _Rule(lambda v: v in ("max", "min"), "max or min"),
    "metric": _NAME,
    "unit": _NAME,
    "recipe": _NAME,
    "license": _NAME,
    "benchmark": _Rule(
        _is_benchmark,
        "1 to 64 of the characters a-z, 0-9, '.', '_' and '-', a letter or digit first",
    ),
    "form": _Rule(lambda v: v in FORMS, f"one of {', '.join(FORMS)}"),
    "exact": _Rule(lambda v: isinstance(v, bool), "true or false"),
    "link": _Rule(_is_link, "a link: name, power, offset, inverse, and hinges or regime if any"),
    "quality": _Rule(_is_quality, "objects of numbers with their count n"),
    "versions": _Rule(_is_versions, "an object of strings"),
    "seeds": _Rule(
        lambda v: isinstance(v, (list, tuple)) and all(type(seed) is int for seed in v),
        "a list of integers",
    ),
    "terms": _Rule(_is_terms, f"1 to {MAX_TERMS} lists of different blocks, 0 to {MAX_BLOCKS - 1}"),
    "tables": _Rule(
        _is_tables,
        "an object of offset, entries, members, scale and shift, of the form 'vector' with outputs "
        "and a list of as many scales, none of them 0, and of shifts",
    ),
    "outputs": _Rule(
        _is_outputs,
        f"1 to {MAX_OUTPUTS} objects of name, unit, direction and link, and calibration or quality "
        "if any",
    ),
    "curve": _Rule(lambda v: isinstance(v, Mapping), "an object"),
    "seed_noise": _Rule(_is_seed_noise, "an object of output, a name, and calibration"),
    "calibration": _Rule(
        _is_calibration, "an object of spread, noise, noise_power, offset, levels and quantiles"
    ),
    "target_std": _Rule(lambda v: _number(v, 0.0), "a number that is not negative"),
    "dataset": _Rule(_is_dataset, "an object with name, license and sha256"),
}
