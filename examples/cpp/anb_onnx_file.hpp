// What an ONNX file says of itself, compared with what the manifest says of it. No dependencies;
// C++17.
//
// The meaning of the tables stands twice: in the manifest, which people can edit, and in the ONNX
// file, as metadata and as the graph that runtimes compute. Where the two differ one of them is wrong, and
// nothing is predicted. An ONNX file is a protocol buffer message, a ModelProto of onnx/onnx.proto.
#ifndef ANB_ONNX_FILE_HPP
#define ANB_ONNX_FILE_HPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anb_cards.hpp"
#include "anb_encoder.hpp"
#include "anb_files.hpp"
#include "anb_graph.hpp"
#include "anb_json.hpp"
#include "anb_outputs.hpp"
#include "anb_protobuf.hpp"

namespace anb {
namespace detail {

// An ONNX file as a client reads it: its metadata, and where its graph is.
class OnnxFile {
 public:
  // `content` and `name` must outlive this.
  OnnxFile(const Bytes& content, const std::string& name)
      : content_(reinterpret_cast<const char*>(content.data()), content.size()), name_(name) {
    Fields field(content_, name_);
    std::optional<std::string_view> graph;
    while (field.next()) {
      if (field.number == 7) field.once(graph);
      if (field.number == 14) add_metadata(field);
      if (field.number == 25) fail("it defines functions");
    }
    if (!graph) fail("it holds no graph");
    graph_ = *graph;
  }

  // The model card in the metadata.
  Json card() const {
    const auto schema_text = metadata_.find(schema_key);
    const auto card_text = metadata_.find(card_key);
    if (schema_text == metadata_.end() || card_text == metadata_.end()) {
      throw Error(name_ + " is not an anb_onnx artifact: its metadata lacks 'anb_onnx.schema' or "
                  "'anb_onnx.card'");
    }
    const std::string_view found = schema_text->second;
    if (found != std::to_string(schema)) {
      std::uint64_t number = 0;  // stays that where the text is no number
      std::from_chars(found.data(), found.data() + found.size(), number);
      throw Error(name_ + ": metadata 'anb_onnx.schema' must be " + std::to_string(schema) +
                  ", not '" + excerpt(found) + "'" + mend_schema(number));
    }
    return Json::parse(std::string(card_text->second), name_ + ": metadata 'anb_onnx.card'");
  }

  std::string_view graph() const { return graph_; }

  // The place of a part of the file.
  std::uint64_t place(std::string_view part) const {
    return static_cast<std::uint64_t>(part.data() - content_.data());
  }

  [[noreturn]] void fail(const std::string& what) const { Fields({}, name_).fail(what); }

 private:
  static constexpr std::string_view schema_key = "anb_onnx.schema", card_key = "anb_onnx.card";

  // Of what is read of the metadata; other entries may be any number, and are passed over.
  void add_metadata(const Fields& field) {
    std::optional<std::string_view> key, value;
    Fields part(field.content, name_);
    while (part.next()) {
      if (part.number == 1) part.once(key);
      if (part.number == 2) part.once(value);
    }
    const std::string_view name = key.value_or("");
    if (name != schema_key && name != card_key) return;
    if (!metadata_.emplace(name, value.value_or("")).second) {
      fail("metadata '" + excerpt(name) + "' twice");
    }
  }

  std::string_view content_, graph_;
  const std::string& name_;
  std::map<std::string_view, std::string_view> metadata_;
};

// A prediction of the link's scale in the target's unit.
inline double invert(const Link& link, double y, bool inside) {
  auto hinge = link.hinges.begin();
  std::size_t bend = 0;
  const auto bent = [&](const Hinge& here) {
    return y + std::max(y - here.knot, 0.0) * here.change;
  };
  for (const Step step : link.inverse) {
    switch (step) {
      case Step::square: y = y * y; break;
      case Step::sqrt: y = std::sqrt(y); break;
      case Step::reciprocal: y = 1.0 / y; break;
      case Step::reflect: y = link.offset - y; break;
      case Step::hinge: y = bent(*hinge++); break;
      case Step::regime: {
        const double other = bent(link.regime->hinges[bend++]);
        y = inside ? other : y;
        break;
      }
    }
  }
  return y;
}

// The least and the largest sum of the tables of any member. Throws if a sum of a member, or of a
// part of its tables, could leave int32. An entry has the members of `n_outputs` outputs side by
// side, of which the target is the one of number `output`.
inline std::pair<std::int64_t, std::int64_t> check_sums(const Target& target, const Bytes& onnx,
                                                        std::size_t output = 0,
                                                        std::size_t n_outputs = 1) {
  struct Range {
    std::int64_t least = 0, most = 0;
  };
  const std::uint8_t* bytes = onnx.data() + target.tables->offset + 4 * output * target.members;
  const std::size_t others = 4 * (n_outputs - 1) * target.members;
  std::vector<Range> sums(target.members), parts(target.members);
  for (const Term& term : target.terms->list()) {
    std::vector<Range> table(target.members, {INT32_MAX, INT32_MIN});
    for (std::size_t entry = 0; entry < term.entries; ++entry) {
      for (Range& range : table) {
        const std::uint32_t word = read_word(bytes);
        const std::int64_t value = word < 0x80000000u ? word : word - (std::int64_t{1} << 32);
        range.least = std::min(range.least, value);
        range.most = std::max(range.most, value);
        bytes += 4;
      }
      bytes += others;
    }
    for (std::size_t m = 0; m < target.members; ++m) {
      sums[m].least += table[m].least;
      sums[m].most += table[m].most;
      parts[m].least += std::min<std::int64_t>(table[m].least, 0);
      parts[m].most += std::max<std::int64_t>(table[m].most, 0);
    }
  }
  Range all = sums[0];
  for (std::size_t m = 0; m < target.members; ++m) {
    if (parts[m].least < INT32_MIN || parts[m].most > INT32_MAX) {
      throw Error("sums of the tables of target " + target.name + " do not fit 32 bits");
    }
    all.least = std::min(all.least, sums[m].least);
    all.most = std::max(all.most, sums[m].most);
  }
  return {all.least, all.most};
}

// Throws if a prediction, or an end of its interval, could leave float32; or if none is in the
// link's domain. Returns how large predictions are at most, where that is known.
inline std::optional<double> check_range(const Target& target,
                                         std::pair<std::int64_t, std::int64_t> sums) {
  const double scale = target.tables->scale, shift = target.tables->shift;
  double u[] = {static_cast<double>(sums.first) * scale + shift,
                static_cast<double>(sums.second) * scale + shift};
  std::sort(u, u + 2);
  const Link& link = *target.link;
  const bool positive = !link.inverse.empty() && link.inverse[0] <= Step::reciprocal;
  if (positive && u[1] <= 0) {
    throw Error("no prediction of target " + target.name + " is in the domain of its link");
  }
  // Where the least sum is outside of the domain, nothing follows from it.
  const bool bounded = !positive || u[0] > 0;
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (int end = bounded ? 0 : 1; end < 2; ++end) {
    for (const bool inside : {false, true}) {
      if (inside && !link.regime) continue;
      const double y = invert(link, u[end], inside);
      if (!(std::fabs(y) <= largest)) {
        throw Error("predictions of target " + target.name + " do not fit float32");
      }
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  if (!bounded) return {};
  const double most = std::max(std::fabs(low), std::fabs(high));
  if (!target.calibration) return most;
  const Calibration& calibration = *target.calibration;
  const double widest = std::max(calibration.scale(low, (high - low) / 2),
                                 calibration.scale(high, (high - low) / 2));
  const double half = std::max(calibration.quantiles.back(), 1.0) * widest;
  if (!(most + half <= largest)) {
    throw Error("intervals of target " + target.name + " do not fit float32");
  }
  return most;
}

// Throws if a value of a curve could leave float32; `most` says how large the outputs are.
inline void check_curve(const Target& target, const std::vector<std::optional<double>>& most) {
  const CurveForm& curve = *target.curve;
  const auto fail = [&] {
    throw Error("values of the curve of target " + target.name + " do not fit float32");
  };
  for (std::size_t k = 0; k < most.size(); ++k) {
    if (!most[k] && (k < curve.coefficients || curve.gate == k)) fail();
  }
  for (std::size_t i = 0; i < curve.at.size(); ++i) {
    double value = std::fabs(curve.offset[i]);
    for (std::size_t j = 0; j < curve.coefficients; ++j) {
      value += std::fabs(curve.basis[i * curve.coefficients + j]) * *most[j];
    }
    if (curve.gate) value += std::fabs(curve.rest[i]);
    // Twice as much: what is rounded on the way, and a difference of two values.
    if (!(2 * value <= largest)) fail();
  }
  if (!curve.range) return;
  for (const double end : {curve.range->first, curve.range->second}) {
    if (!(std::fabs(invert(*target.link, end, false)) <= largest / 2)) fail();
  }
}

// The same of all outputs of a target, and of the curve that they make.
inline void check_outputs(const Target& target, const Bytes& onnx) {
  std::vector<std::optional<double>> most;
  for (std::size_t k = 0; k < target.outputs.size(); ++k) {
    Target output = target.output(k);
    const auto sums = check_sums(output, onnx, k, target.outputs.size());
    most.push_back(check_range(output, sums));
    if (k > 0 || target.curve) continue;
    output.calibration = target.calibration;  // the target is that output
    check_range(output, sums);
  }
  if (target.curve) check_curve(target, most);
}

}  // namespace detail

// Throws unless an ONNX file says of itself what its target, an entry of the manifest, says: benchmark,
// search space, metric, device, unit, direction, form, members, terms, link, calibration, exactness,
// outputs, curve, noise between seeds, and of tables their place and shape. Of tables, also what the graph computes with them is compared, and that no
// sum and no prediction can leave its type.
inline void check_file(const SearchSpace& space, const Target& target, const Bytes& onnx) {
  const detail::OnnxFile file(onnx, target.file);
  const auto require = [&](bool same, const char* key) {
    if (!same) {
      throw Error(target.file + " and the manifest's entry of target " + target.name +
                  " differ in '" + key + "': one of them was changed; anb-export writes both anew");
    }
  };
  const Json card = file.card();
  require(detail::read_benchmark(card) == target.benchmark, "benchmark");
  require(detail::read_space(card.at("search_space")) == space, "search_space");
  Target own;
  detail::read_card(card, space, target.tables.has_value(), own);
  detail::read_outputs(card, space, own);
  require(own.metric == target.metric, "metric");
  require(own.device == target.device, "device");
  require(own.unit == target.unit, "unit");
  require(own.direction == target.direction, "direction");
  require(own.form == target.form, "form");
  require(own.members == target.members, "members");
  require(own.terms == target.terms, "terms");
  require(own.link == target.link, "link");
  require(own.calibration == target.calibration, "calibration");
  require(own.exact == target.exact, "exact");
  require(own.outputs == target.outputs, "outputs");
  require(own.curve == target.curve, "curve");
  require(own.seed_noise == target.seed_noise, "seed_noise");
  const std::string name = own.metric + (own.device.empty() ? "" : "_" + own.device);
  if (target.name != name) {
    throw Error("target " + target.name + " of the manifest must be called " + name +
                ", after its metric and device");
  }
  if (!target.tables) return;
  detail::Graph graph(file.graph(), target.file, *own.terms);
  const detail::Tensor& tables = graph.tables();
  require(target.tables->entries == own.terms->entries(), "tables.entries");
  require(tables.shape[0] == target.tables->entries, "tables.entries");
  const std::size_t n_outputs = std::max<std::size_t>(1, target.outputs.size());
  require(tables.shape[1] == n_outputs * target.members, "tables.members");
  require(file.place(*tables.raw) == target.tables->offset, "tables.offset");
  require(graph.computes(space, target), "tables.scale', 'tables.shift' or what the graph computes");
  if (detail::is_vector(target)) return detail::check_outputs(target, onnx);
  detail::check_range(target, detail::check_sums(target, onnx));
}

}  // namespace anb

#endif  // ANB_ONNX_FILE_HPP
