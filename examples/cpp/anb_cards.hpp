// What a target's entry of manifest.json says, which the metadata of its ONNX file says again: unit,
// terms, link, calibration and so on. No dependencies; C++17. The keys are described in
// docs/embedding.md.
#ifndef ANB_CARDS_HPP
#define ANB_CARDS_HPP

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "anb_encoder.hpp"
#include "anb_json.hpp"
#include "anb_terms.hpp"

namespace anb {

// The steps of an inverse link, made of correctly rounded float64 operations.
enum class Step { square, sqrt, reciprocal, reflect, hinge, regime };

struct Hinge {
  double knot = 0, change = 0;

  bool operator==(const Hinge& other) const {
    return knot == other.knot && change == other.change;
  }
};

// Further hinges, for the architectures with some choices of one gene only.
struct Regime {
  std::size_t gene = 0;              // its number among all genes
  std::vector<std::uint8_t> inside;  // 1 or 0 for each code of it
  std::vector<Hinge> hinges;         // one for each Step::regime

  bool operator==(const Regime& other) const {
    return std::tie(gene, inside, hinges) == std::tie(other.gene, other.inside, other.hinges);
  }
};

struct Link {
  std::vector<Step> inverse;
  double offset = 0;           // of Step::reflect
  std::vector<Hinge> hinges;  // one for each Step::hinge
  std::optional<Regime> regime;

  bool operator==(const Link& other) const {
    return std::tie(inverse, offset, hinges, regime) ==
           std::tie(other.inverse, other.offset, other.hinges, other.regime);
  }
};

// Where the integer tables lie in the ONNX file, and how their sums are scaled.
struct Tables {
  std::uint64_t offset = 0, entries = 0;
  double scale = 0, shift = 0;
  std::vector<double> scales, shifts;  // of several outputs, in place of scale and shift
};

// How far a new measurement lies from the mean. Half of an interval is quantile * predictive_std.
struct Calibration {
  double spread = 0, noise = 0;
  int noise_power = 0;
  std::optional<double> offset;
  std::vector<double> levels, quantiles;

  struct Interval {
    float predictive_std, lower, upper;
  };

  Interval interval(float mean, float std, double level) const {
    return interval(mean, scale(static_cast<double>(mean), static_cast<double>(std)), level);
  }

  // The same from a predictive scale.
  Interval interval(float mean, double wide, double level) const {
    if (!(level > 0 && level <= levels.back())) {
      std::ostringstream message;
      message << "level must be above 0 and at most " << levels.back() << ", not " << level;
      throw Error(message.str());
    }
    const double centre = mean;
    const double half = quantile(level) * wide;
    return {static_cast<float>(wide), static_cast<float>(centre - half),
            static_cast<float>(centre + half)};
  }

  // The predictive scale, before it is rounded.
  double scale(double mean, double std) const {
    const double t = offset ? *offset - mean : mean;
    double scale_of_noise = noise;
    for (int i = 0; i < noise_power; ++i) scale_of_noise *= t;
    const double scale_of_spread = spread * std;
    const double a = scale_of_spread * scale_of_spread, b = scale_of_noise * scale_of_noise;
    return std::sqrt(a + b);
  }

  bool operator==(const Calibration& other) const {
    return std::tie(spread, noise, noise_power, offset, levels, quantiles) ==
           std::tie(other.spread, other.noise, other.noise_power, other.offset, other.levels,
                    other.quantiles);
  }

 private:
  double quantile(double level) const {
    const auto above = std::upper_bound(levels.begin(), levels.end(), level);
    const std::size_t i = static_cast<std::size_t>(above - levels.begin()) - 1;
    if (levels[i] == level) return quantiles[i];
    const double slope = (quantiles[i + 1] - quantiles[i]) / (levels[i + 1] - levels[i]);
    const double rise = slope * (level - levels[i]);
    return rise + quantiles[i];
  }
};

// One of several outputs of an artifact: a metric, or a coefficient of a curve.
struct Output {
  std::string name, unit, direction;
  Link link;
  std::optional<Calibration> calibration;

  bool operator==(const Output& other) const {
    return std::tie(name, unit, direction, link, calibration) ==
           std::tie(other.name, other.unit, other.direction, other.link, other.calibration);
  }
};

// How the outputs become a function of a fidelity; docs/reference/format.md, Curves.
struct CurveForm {
  std::string fidelity, unit;  // its name and unit
  std::vector<double> at;      // the knots, which increase
  std::size_t coefficients = 0;
  std::vector<double> offset, basis;  // [T] and [T][coefficients]
  std::optional<std::size_t> gate;    // number of an output
  std::vector<double> rest;           // [T] where there is a gate
  std::optional<std::pair<double, double>> range;
  std::vector<double> noise;  // [T] or nothing

  // How many outputs are needed of the first ones.
  std::size_t outputs() const { return gate ? *gate + 1 : coefficients; }

  // The last knot at or before a fidelity. Throws where the curve has no such fidelity.
  std::size_t knot_before(double t) const {
    if (!(t >= at.front() && t <= at.back())) {
      std::ostringstream message;
      message << "fidelity '" << fidelity << "' must be a number from " << at.front() << " to "
              << at.back() << ' ' << unit << ", not " << t;
      throw Error(message.str());
    }
    return static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), t) - at.begin()) - 1;
  }

  // The noise of the calibration at a fidelity; nothing where it is not known.
  std::optional<double> noise_at(double t) const {
    if (noise.empty()) return {};
    const std::size_t i = knot_before(t);
    if (at[i] == t) return noise[i];
    const double slope = (noise[i + 1] - noise[i]) / (at[i + 1] - at[i]);
    const double rise = slope * (t - at[i]);
    return rise + noise[i];
  }

  bool operator==(const CurveForm& other) const {
    return std::tie(fidelity, unit, at, coefficients, offset, basis, gate, rest, range, noise) ==
           std::tie(other.fidelity, other.unit, other.at, other.coefficients, other.offset,
                    other.basis, other.gate, other.rest, other.range, other.noise);
  }
};

// That an output predicts by how much runs of different seeds differ.
struct SeedNoise {
  std::size_t output = 0;
  Calibration calibration;  // of the mean over all seeds

  bool operator==(const SeedNoise& other) const {
    return output == other.output && calibration == other.calibration;
  }
};

struct Target {
  static constexpr std::size_t max_members = 1024;

  std::string benchmark;                              // to which the target belongs
  std::string name, metric, device, unit, direction;  // device: "" where there is none
  std::string form;                                   // "tables", "trees" and others
  std::string file, sha256;
  std::uint64_t bytes = 0;
  std::size_t members = 0;
  std::optional<Tables> tables;  // of forms that have them
  std::optional<Terms> terms;    // where there are tables
  std::optional<Link> link;      // likewise
  std::optional<Calibration> calibration;
  bool exact = false;           // counted rather than estimated
  std::vector<Output> outputs;  // of the form "vector"; without a curve, the first is the target
  std::optional<CurveForm> curve;
  std::optional<SeedNoise> seed_noise;

  // Where a share `level` of new measurements lies, from a prediction's mean and std: for what is
  // exact the mean itself, and nothing where there is no calibration. Throws for a wrong level.
  std::optional<Calibration::Interval> interval(float mean, float std, double level) const {
    if (calibration) return calibration->interval(mean, std, level);
    if (exact) return Calibration::Interval{0, mean, mean};
    return {};
  }

  // The same of a curve at a fidelity, from its mean and std there; nothing where the artifact says
  // nothing of it.
  std::optional<Calibration::Interval> interval_at(float mean, float std, double fidelity,
                                                   double level) const {
    if (!curve) fail_fidelity("");
    const std::size_t knot = curve->knot_before(fidelity);
    if (!calibration || curve->at[knot] == curve->at.back()) return interval(mean, std, level);
    const std::optional<double> noise = curve->noise_at(fidelity);
    if (!noise) return {};
    Calibration there = *calibration;
    there.noise = *noise;
    return there.interval(mean, std, level);
  }

  // Where the mean of n runs of different seeds lies, from the mean that `seed_noise->output`
  // predicts besides.
  Calibration::Interval interval_of_seeds(float mean, float std, float noise, std::uint64_t n,
                                          double level) const {
    if (!seed_noise) fail_fidelity("seeds");
    if (n == 0) throw Error("fidelity 'seeds' must be a whole number of runs, 1 or more, not 0");
    const double scale =
        seed_noise->calibration.scale(static_cast<double>(mean), static_cast<double>(std));
    const double v = noise > 0 ? static_cast<double>(noise) : 0.0;
    const double variance = v * v / static_cast<double>(n), known = scale * scale;
    return seed_noise->calibration.interval(mean, std::sqrt(known + variance), level);
  }

  // One output as a target of its own.
  Target output(std::size_t k) const {
    Target target;
    target.benchmark = benchmark;
    target.name = target.metric = outputs[k].name;
    target.device = device;
    target.unit = outputs[k].unit;
    target.direction = outputs[k].direction;
    target.form = "tables";
    target.file = file;
    target.sha256 = sha256;
    target.bytes = bytes;
    target.members = members;
    target.tables = Tables{tables->offset, tables->entries, tables->scales[k], tables->shifts[k], {}, {}};
    target.terms = terms;
    target.link = outputs[k].link;
    target.calibration = outputs[k].calibration;
    target.exact = exact;
    return target;
  }

  // Throws that there is no such fidelity: "" for that of a curve.
  [[noreturn]] void fail_fidelity(const std::string& wanted) const {
    const std::string known = std::string(curve ? curve->fidelity : "") +
                              (curve && seed_noise ? ", " : "") + (seed_noise ? "seeds" : "");
    throw Error("the artifact of " + name + " has no fidelity" +
                (wanted.empty() ? "" : " '" + wanted + "'") +
                (known.empty() ? "" : (wanted.empty() ? " of a curve; it has " : "; it has ") + known));
  }
};

namespace detail {

inline constexpr std::uint64_t schema = 2;             // of manifests, and of metadata
inline constexpr std::size_t max_hinges = 64;          // of a link, and of a regime
inline constexpr std::uint64_t max_stated = std::uint64_t{1} << 48;  // bytes or entries

inline constexpr std::size_t max_name = 255;
inline constexpr double largest = FLT_MAX;  // of numbers in a target's unit, as predictions are

// What mends a file of another schema.
inline std::string mend_schema(std::uint64_t found) {
  if (found > schema) return ": it needs the C++ headers of a newer release";
  return found == schema - 1
             ? ": convert its folder with anb-export upgrade FOLDER --out NEW_FOLDER"
             : "";
}

// Whether a text may name a benchmark, and so its folder.
inline bool is_benchmark(std::string_view name) {
  constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= 64 && characters.find(name[0]) < 36 &&
         name.find_first_not_of(characters) == std::string_view::npos;
}

inline std::string read_benchmark(const Json& json) {
  const Json value = json.at("benchmark");
  const std::string name = value.string();
  if (!is_benchmark(name)) {
    value.fail("1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first, not '" +
               excerpt(name, 80) + "'");
  }
  return name;
}

inline std::string check_name(const Json& place, std::string name) {
  if (name.empty() || name.size() > 4 * max_name || name != printable(name)) {
    place.fail("a string of 1 to 255 printable characters, not '" + excerpt(name) + "'");
  }
  return name;
}

inline std::string read_name(const Json& json, const char* key) {
  const Json value = json.at(key);
  return check_name(value, value.string());
}

// A number in a target's unit, or a factor of one.
inline double read_number(const Json& json) {
  const double value = json.number();
  if (std::fabs(value) > largest) json.fail("a number that a float32 can hold");
  return value;
}

// Whether a value is a number, and if so whole, however it is written.
inline bool is_whole(const Json& json) {
  return json.kind() == Json::Kind::number && json.number() == std::floor(json.number());
}

// A choice of a gene.
inline Value read_choice(const Json& json, bool as_float) {
  if (json.kind() == Json::Kind::boolean) return json.boolean();
  if (json.kind() == Json::Kind::string) return json.string();
  if (json.kind() != Json::Kind::number) json.fail("a number, true or false, or a string");
  if (as_float) return json.number();
  return json.is_integer() || std::fabs(json.number()) >= 0x1p63
             ? json.integer64()
             : static_cast<std::int64_t>(json.number());  // 1.0, or 1e3
}

inline Gene read_gene(const Json& json) {
  Gene gene{read_name(json, "name"), {}};
  const std::vector<Json> choices = json.at("choices").array(SearchSpace::max_choices);
  const auto is_number = [](const Json& one) { return one.kind() == Json::Kind::number; };
  const bool numbers = std::all_of(choices.begin(), choices.end(), is_number);
  bool as_float = numbers && !std::all_of(choices.begin(), choices.end(), is_whole);
  if (const std::optional<Json> kind = json.find("kind")) {
    if (!numbers || kind->string() != "float") kind->fail("\"float\", of numbers, or left out");
    as_float = true;
  }
  if (const std::optional<Json> ordered = json.find("ordered")) gene.ordered = ordered->boolean();
  for (const Json& choice : choices) {
    gene.choices.push_back(read_choice(choice, as_float));
    if (choice.kind() == Json::Kind::string && !choice.string().empty()) {
      check_name(choice, choice.string());
    }
  }
  return gene;
}

inline SearchSpace read_space(const Json& json) {
  std::vector<Block> blocks;
  for (const Json& block : json.at("blocks").array(SearchSpace::max_blocks)) {
    blocks.push_back({read_name(block, "name"), {}});
    for (const Json& gene : block.at("genes").array(SearchSpace::max_genes)) {
      blocks.back().genes.push_back(read_gene(gene));
    }
  }
  SearchSpace space(read_name(json, "name"), std::move(blocks));
  // As text: it may have more digits than any type.
  const Json size = json.at("size");
  if (size.digits() != space.shown_size()) {
    size.fail(excerpt(space.shown_size()) + ", not " + excerpt(size.digits()));
  }
  return space;
}

inline Terms read_terms(const Json& json, const SearchSpace& space) {
  std::vector<std::vector<std::size_t>> numbers;
  for (const Json& term : json.array(Terms::max_terms)) {
    numbers.emplace_back();
    for (const Json& block : term.array(SearchSpace::max_blocks)) {
      numbers.back().push_back(
          static_cast<std::size_t>(block.integer(SearchSpace::max_blocks - 1)));
    }
  }
  try {
    return Terms(space, std::move(numbers));
  } catch (const Error& error) {
    throw Error(json.where() + ": " + error.what());
  }
}

// [knot, change] for each step of that name; an increasing function, as a change is above -1.
inline std::vector<Hinge> read_hinges(const Json& json, std::size_t steps,
                                      const std::string& step) {
  std::vector<Hinge> hinges;
  for (const Json& hinge : json.array(max_hinges)) {
    const std::vector<Json> parts = hinge.array();
    if (parts.size() != 2) json.fail("one [knot, change] for each step " + step);
    hinges.push_back({read_number(parts[0]), read_number(parts[1])});
    if (!(hinges.back().change > -1)) parts[1].fail("above -1");
  }
  if (hinges.size() != steps) json.fail("one [knot, change] for each step " + step);
  return hinges;
}

inline Regime read_regime(const Json& json, std::size_t steps, const SearchSpace& space) {
  Regime regime;
  const std::string name = json.at("gene").string();
  const std::vector<Gene>& genes = space.genes();
  while (regime.gene < genes.size() && genes[regime.gene].name != name) ++regime.gene;
  if (regime.gene == genes.size()) {
    json.at("gene").fail("a gene of search space " + space.name() + ", not '" + excerpt(name) +
                         "'");
  }
  regime.inside.resize(genes[regime.gene].choices.size());
  std::vector<std::uint64_t> codes;
  for (const Json& code : json.at("codes").array()) {
    codes.push_back(code.integer(regime.inside.size() - 1));
  }
  if (codes.empty() ||
      std::adjacent_find(codes.begin(), codes.end(), std::greater_equal<>()) != codes.end()) {
    json.at("codes").fail("one or more, that increase");
  }
  for (const std::uint64_t code : codes) regime.inside[code] = 1;
  regime.hinges = read_hinges(json.at("hinges"), steps, "regime");
  if (regime.hinges.empty()) json.at("hinges").fail("one or more");
  return regime;
}

inline Step read_step(const Json& json) {
  static const std::pair<const char*, Step> steps[] = {
      {"square", Step::square},   {"sqrt", Step::sqrt},   {"reciprocal", Step::reciprocal},
      {"reflect", Step::reflect}, {"hinge", Step::hinge}, {"regime", Step::regime}};
  const std::string name = json.string();
  for (const auto& [known, step] : steps) {
    if (name == known) return step;
  }
  json.fail("square, sqrt, reciprocal, reflect, hinge or regime, not '" + excerpt(name) + "'");
}

inline Link read_link(const Json& json, const SearchSpace& space) {
  Link link;
  const Json list = json.at("inverse");
  for (const Json& step : list.array(3 + 2 + 2 * max_hinges)) {
    link.inverse.push_back(read_step(step));
  }
  const auto steps = [&](Step wanted) {
    return static_cast<std::size_t>(std::count(link.inverse.begin(), link.inverse.end(), wanted));
  };
  // The inverse of a power 1, 2, 4, 1/2, 1/4, 1/8 or their negatives, and what follows it.
  if (!std::is_sorted(link.inverse.begin(), link.inverse.end()) || steps(Step::square) > 3 ||
      steps(Step::sqrt) > 2 || (steps(Step::square) > 0 && steps(Step::sqrt) > 0) ||
      steps(Step::reciprocal) > 1 || steps(Step::reflect) > 1) {
    list.fail("at most three squares or two sqrt, a reciprocal, a reflect, hinges, regimes, in "
              "this order");
  }
  if (steps(Step::hinge) > 0 || json.find("hinges")) {
    link.hinges = read_hinges(json.at("hinges"), steps(Step::hinge), "hinge");
  }
  if (steps(Step::regime) > 0 || json.find("regime")) {
    link.regime = read_regime(json.at("regime"), steps(Step::regime), space);
  }
  const Json offset = json.at("offset");
  if (steps(Step::reflect) > 0) {
    link.offset = read_number(offset);
  } else if (!offset.is_null()) {
    offset.fail("null, as no step reflects");
  }
  return link;
}

inline Calibration read_calibration(const Json& json) {
  Calibration calibration;
  const auto not_negative = [&](const char* key) {
    const double value = read_number(json.at(key));
    if (value < 0) json.at(key).fail("0 or more");
    return value;
  };
  calibration.spread = not_negative("spread");
  calibration.noise = not_negative("noise");
  calibration.noise_power = static_cast<int>(json.at("noise_power").integer(2));
  if (!json.at("offset").is_null()) calibration.offset = read_number(json.at("offset"));
  const auto read_list = [&](const char* key) {
    std::vector<double> values;
    for (const Json& value : json.at(key).array(1024)) values.push_back(read_number(value));
    return values;
  };
  calibration.levels = read_list("levels");
  calibration.quantiles = read_list("quantiles");
  const std::vector<double>&levels = calibration.levels, &quantiles = calibration.quantiles;
  if (levels.size() < 2 || levels.size() != quantiles.size() || levels[0] != 0 ||
      std::adjacent_find(levels.begin(), levels.end(), std::greater_equal<>()) != levels.end() ||
      !(levels.back() < 1)) {
    json.at("levels").fail("two or more, that increase from 0 to below 1, as many as quantiles");
  }
  if (quantiles[0] != 0 || !std::is_sorted(quantiles.begin(), quantiles.end())) {
    json.at("quantiles").fail("numbers that increase from 0");
  }
  return calibration;
}

// The facts that stand both in the manifest and in the ONNX file's metadata.
inline void read_card(const Json& json, const SearchSpace& space, bool with_tables,
                      Target& target) {
  target.metric = read_name(json, "metric");
  if (!json.at("device").is_null()) target.device = read_name(json, "device");
  target.unit = read_name(json, "unit");
  target.direction = json.at("direction").string();
  if (target.direction != "max" && target.direction != "min") {
    json.at("direction").fail("max or min, not '" + excerpt(target.direction) + "'");
  }
  target.form = read_name(json, "form");
  target.members = static_cast<std::size_t>(json.at("members").integer(Target::max_members));
  if (target.members == 0) {
    json.at("members").fail("an integer from 1 to " + std::to_string(Target::max_members) +
                            ", not 0");
  }
  if (with_tables) {
    target.terms = read_terms(json.at("terms"), space);
    target.link = read_link(json.at("link"), space);
  } else if (const auto terms = json.find("terms")) {
    terms->fail("absent, as there are no tables");
  }
  if (const auto calibration = json.find("calibration"); calibration && !calibration->is_null()) {
    target.calibration = read_calibration(*calibration);
  }
  const auto exact = json.find("exact");
  target.exact = exact && exact->boolean();
}

}  // namespace detail

}  // namespace anb

#endif  // ANB_CARDS_HPP
