// What an entry of the form "vector" says of its outputs, and of the curve that they make.
// No dependencies; C++17. The keys are described in docs/reference/format.md, Several outputs.
#ifndef ANB_OUTPUTS_HPP
#define ANB_OUTPUTS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anb_cards.hpp"
#include "anb_json.hpp"

namespace anb::detail {

inline constexpr std::size_t max_outputs = 64, max_coefficients = 64, max_knots = 4096;

// Whether a target has several outputs.
inline bool is_vector(const Target& target) { return target.form == "vector"; }

// Throws unless an object has all the keys of one list, and no others than these and those of the
// second list.
inline void check_keys(const Json& json, std::initializer_list<std::string_view> wanted,
                       std::initializer_list<std::string_view> allowed = {}) {
  for (const std::string_view key : wanted) json.at(key);
  for (const std::string& name : json.names()) {
    const auto is_name = [&](const std::string_view key) { return key == name; };
    if (std::any_of(wanted.begin(), wanted.end(), is_name)) continue;
    if (std::any_of(allowed.begin(), allowed.end(), is_name)) continue;
    json.fail("an object without the key '" + excerpt(name) + "'");
  }
}

// A list of just so many numbers in a target's unit.
inline std::vector<double> read_numbers(const Json& json, std::size_t count) {
  std::vector<double> numbers;
  for (const Json& number : json.array(count)) numbers.push_back(read_number(number));
  if (numbers.size() != count) {
    json.fail("a list of " + std::to_string(count) + " numbers, not " +
              std::to_string(numbers.size()));
  }
  return numbers;
}

// Likewise, where -0.0 would leave open which of two zeros is the larger.
inline std::vector<double> read_signed_numbers(const Json& json, std::size_t count) {
  const std::vector<double> numbers = read_numbers(json, count);
  for (const double number : numbers) {
    if (number == 0 && std::signbit(number)) json.fail("of numbers other than -0.0");
  }
  return numbers;
}

inline std::string read_direction(const Json& json) {
  const std::string direction = json.at("direction").string();
  if (direction != "max" && direction != "min") {
    json.at("direction").fail("max or min, not '" + excerpt(direction) + "'");
  }
  return direction;
}

inline Output read_output(const Json& json, const SearchSpace& space) {
  check_keys(json, {"name", "unit", "direction", "link"}, {"calibration", "quality"});
  Output output;
  output.name = read_name(json, "name");
  output.unit = read_name(json, "unit");
  output.direction = read_direction(json);
  output.link = read_link(json.at("link"), space);
  if (const auto found = json.find("calibration")) output.calibration = read_calibration(*found);
  return output;
}

inline CurveForm read_curve(const Json& json, const Link& link, std::size_t n_outputs) {
  check_keys(json, {"fidelity", "at", "coefficients", "offset", "basis", "gate", "range", "noise"});
  CurveForm curve;
  check_keys(json.at("fidelity"), {"name", "unit"});
  curve.fidelity = read_name(json.at("fidelity"), "name");
  curve.unit = read_name(json.at("fidelity"), "unit");
  const Json at = json.at("at");
  const std::size_t knots = at.array(max_knots).size();
  curve.at = read_numbers(at, knots);
  if (knots == 0 || std::adjacent_find(curve.at.begin(), curve.at.end(),
                                       std::greater_equal<>()) != curve.at.end()) {
    at.fail("1 to " + std::to_string(max_knots) + " increasing numbers");
  }
  const Json coefficients = json.at("coefficients");
  curve.coefficients =
      static_cast<std::size_t>(coefficients.integer(std::min(max_coefficients, n_outputs)));
  if (curve.coefficients == 0) coefficients.fail("1 or more");
  curve.offset = read_signed_numbers(json.at("offset"), knots);
  const std::vector<Json> rows = json.at("basis").array(knots);
  if (rows.size() != knots) json.at("basis").fail("a list of " + std::to_string(knots) + " rows");
  for (const Json& row : rows) {
    const std::vector<double> numbers = read_numbers(row, curve.coefficients);
    curve.basis.insert(curve.basis.end(), numbers.begin(), numbers.end());
  }
  if (const Json gate = json.at("gate"); !gate.is_null()) {
    check_keys(gate, {"output", "rest"});
    curve.gate = static_cast<std::size_t>(gate.at("output").integer(n_outputs - 1));
    if (*curve.gate < curve.coefficients) {
      gate.at("output").fail("behind the " + std::to_string(curve.coefficients) + " coefficients");
    }
    curve.rest = read_signed_numbers(gate.at("rest"), knots);
  }
  if (const Json range = json.at("range"); !range.is_null()) {
    const std::vector<double> ends = read_signed_numbers(range, 2);
    if (!(ends[0] < ends[1])) range.fail("two numbers, the lower one first");
    curve.range.emplace(ends[0], ends[1]);
  }
  if (const Json noise = json.at("noise"); !noise.is_null()) {
    curve.noise = read_numbers(noise, knots);
    if (*std::min_element(curve.noise.begin(), curve.noise.end()) < 0) noise.fail("0 or more");
  }
  if (link.regime) json.fail("without a regime in the target's link");
  const bool positive = !link.inverse.empty() && link.inverse[0] <= Step::reciprocal;
  if (!link.inverse.empty() && (!curve.range || (positive && !(curve.range->first > 0)))) {
    json.at("range").fail(positive ? "above 0, as the target's link needs"
                                   : "two numbers, as the target's link needs");
  }
  return curve;
}

inline SeedNoise read_seed_noise(const Json& json, const Target& target) {
  check_keys(json, {"output", "calibration"});
  SeedNoise noise;
  const std::string name = json.at("output").string();
  while (noise.output < target.outputs.size() && target.outputs[noise.output].name != name) {
    ++noise.output;
  }
  if (noise.output == target.outputs.size()) {
    json.at("output").fail("the name of an output, not '" + excerpt(name) + "'");
  }
  noise.calibration = read_calibration(json.at("calibration"));
  return noise;
}

// What `read_card` leaves to be read of a target of several outputs; of all others, that they have
// none.
inline void read_outputs(const Json& json, const SearchSpace& space, Target& target) {
  if (!is_vector(target)) {
    for (const char* key : {"outputs", "curve", "seed_noise"}) {
      if (const auto found = json.find(key)) {
        found->fail("absent, as the form is '" + excerpt(target.form) + "'");
      }
    }
    return;
  }
  if (!target.link) json.fail("an object with the key 'tables', as its form is 'vector'");
  const Json outputs = json.at("outputs");
  for (const Json& output : outputs.array(max_outputs)) {
    target.outputs.push_back(read_output(output, space));
    for (std::size_t k = 0; k + 1 < target.outputs.size(); ++k) {
      if (target.outputs[k].name == target.outputs.back().name) {
        output.at("name").fail("of no other output, not '" + target.outputs[k].name + "'");
      }
    }
  }
  if (target.outputs.empty()) outputs.fail("one or more");
  if (const auto curve = json.find("curve")) {
    target.curve = read_curve(*curve, *target.link, target.outputs.size());
  } else {
    const Output& first = target.outputs[0];
    if (first.unit != target.unit || first.direction != target.direction ||
        !(first.link == *target.link)) {
      json.fail("of unit, direction and link of its first output, as it has no curve");
    }
  }
  if (const auto noise = json.find("seed_noise")) {
    target.seed_noise = read_seed_noise(*noise, target);
  }
}

}  // namespace anb::detail

#endif  // ANB_OUTPUTS_HPP
