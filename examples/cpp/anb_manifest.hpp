// manifest.json: which targets a folder of artifacts holds, and what a client must know of them.
// No dependencies; C++17. The keys are described in docs/embedding.md.
#ifndef ANB_MANIFEST_HPP
#define ANB_MANIFEST_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "anb_encoder.hpp"
#include "anb_files.hpp"
#include "anb_json.hpp"

namespace anb {

// The steps of an inverse link, made of correctly rounded float64 operations.
enum class Step { square, sqrt, reciprocal, reflect, hinge, regime };

struct Hinge {
  double knot = 0, change = 0;
};

// Further hinges, for the architectures with some choices of one gene only.
struct Regime {
  std::size_t gene = 0;              // its number among all genes
  std::vector<std::uint8_t> inside;  // 1 or 0 for each code of it
  std::vector<Hinge> hinges;         // one for each Step::regime
};

struct Link {
  std::vector<Step> inverse;
  double offset = 0;           // of Step::reflect
  std::vector<Hinge> hinges;  // one for each Step::hinge
  std::optional<Regime> regime;
};

// Where the integer tables lie in the ONNX file, and how their sums are scaled.
struct Tables {
  std::uint64_t offset = 0, entries = 0;
  double scale = 0, shift = 0;
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
    if (!(level > 0 && level <= levels.back())) {
      std::ostringstream message;
      message << "level must be above 0 and at most " << levels.back() << ", not " << level;
      throw Error(message.str());
    }
    const double centre = mean;
    const double t = offset ? *offset - centre : centre;
    double scale_of_noise = noise;
    for (int i = 0; i < noise_power; ++i) scale_of_noise *= t;
    const double scale_of_spread = spread * static_cast<double>(std);
    const double a = scale_of_spread * scale_of_spread, b = scale_of_noise * scale_of_noise;
    const double scale = std::sqrt(a + b);
    const double half = quantile(level) * scale;
    return {static_cast<float>(scale), static_cast<float>(centre - half),
            static_cast<float>(centre + half)};
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

struct Target {
  std::string name, metric, device, unit, direction;  // device: "" where there is none
  std::string form;                                   // "tables", "trees" and others
  std::string file, sha256;
  std::uint64_t bytes = 0;
  std::size_t members = 0;
  std::optional<Tables> tables;  // of forms that have them
  std::optional<Link> link;      // where there are tables
  std::optional<Calibration> calibration;
};

struct GoldenArray {
  std::string target, name, dtype;  // target: "" for the architectures
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;
};

// The file of golden vectors.
struct Golden {
  std::string file, sha256;
  std::uint64_t bytes = 0, n = 0;
  std::vector<GoldenArray> arrays;

  const GoldenArray& find(const std::string& target, const std::string& name) const {
    for (const GoldenArray& array : arrays) {
      if (array.target == target && array.name == name) return array;
    }
    throw Error("the golden vectors hold no " + name + (target.empty() ? "" : " of " + target));
  }
};

class Manifest {
 public:
  static constexpr std::uint64_t schema = 1;
  static constexpr std::uint64_t max_bytes = std::uint64_t{16} << 20;       // of the manifest
  static constexpr std::uint64_t max_file_bytes = std::uint64_t{1} << 31;  // of a file it lists

  static Manifest read(const std::filesystem::path& folder) {
    const std::filesystem::path path = folder / "manifest.json";
    const Bytes content = read_file(path, max_bytes);
    return Manifest(folder, std::string(content.begin(), content.end()));
  }

  // `text` is the JSON document; the files it lists are looked for in `folder`.
  Manifest(std::filesystem::path folder, const std::string& text)
      : Manifest(folder, Json::parse(text, (folder / "manifest.json").string())) {}

  const std::filesystem::path& folder() const { return folder_; }
  const SearchSpace& space() const { return space_; }
  const std::vector<Target>& targets() const { return targets_; }
  const std::optional<Golden>& golden() const { return golden_; }

  const Target& find(const std::string& name) const {
    std::string names;
    for (const Target& target : targets_) {
      if (target.name == name) return target;
      names += (names.empty() ? "" : ", ") + target.name;
    }
    throw Error("unknown target '" + name + "'; valid targets: " + names);
  }

  // The content of a target's file or of the golden vectors, once size and SHA-256 are right.
  template <class Listed>
  Bytes read_listed(const Listed& listed) const {
    const std::filesystem::path path = folder_ / listed.file;
    Bytes content = read_file(path, max_file_bytes);
    if (content.size() != listed.bytes) {
      throw Error(path.string() + " is damaged: expected " + std::to_string(listed.bytes) +
                  " bytes, found " + std::to_string(content.size()));
    }
    const std::string found = anb::sha256(content);
    if (found != listed.sha256) {
      throw Error(path.string() + " is damaged: expected sha256 " + listed.sha256 + ", found " +
                  found);
    }
    return content;
  }

 private:
  Manifest(std::filesystem::path folder, const Json& document)
      : folder_(std::move(folder)), space_(read_space(document)) {
    const Json& targets = document.at("targets");
    for (std::size_t i = 0; i < targets.names().size(); ++i) {
      targets_.push_back(read_target(targets.names()[i], targets.items()[i], space_));
    }
    if (const Json* golden = document.find("golden")) golden_ = read_golden(*golden);
  }

  static SearchSpace read_space(const Json& document) {
    // The schema comes first: under another one, everything else may mean something else.
    const std::uint64_t found = document.at("schema").integer(UINT32_MAX);
    if (found != schema) {
      document.at("schema").fail(std::to_string(schema) + ", not " + std::to_string(found));
    }
    const Json& json = document.at("search_space");
    std::vector<Block> blocks;
    for (const Json& block : json.at("blocks").array()) {
      blocks.push_back({block.at("name").string(), {}});
      for (const Json& gene : block.at("genes").array()) {
        blocks.back().genes.push_back(read_gene(gene));
      }
    }
    SearchSpace space(json.at("name").string(), std::move(blocks));
    if (json.at("size").integer(UINT64_MAX) != space.size()) {
      json.at("size").fail(std::to_string(space.size()));
    }
    return space;
  }

  static Gene read_gene(const Json& json) {
    Gene gene{json.at("name").string(), {}, false};
    const std::vector<Json>& choices = json.at("choices").array();
    for (const Json& choice : choices) {
      const bool boolean = choice.kind() == Json::Kind::boolean;
      if (&choice == &choices.front()) gene.boolean = boolean;
      if (boolean != gene.boolean) json.at("choices").fail("all booleans or all integers");
      gene.choices.push_back(boolean ? choice.boolean()
                                     : static_cast<int>(choice.integer(INT32_MAX)));
    }
    return gene;
  }

  static void read_file_facts(const Json& json, std::string& file, std::string& sha256,
                              std::uint64_t& bytes) {
    file = json.at("file").string();
    // A plain name: what a manifest says must not lead out of its folder.
    if (file.empty() || file == "." || file == ".." ||
        file.find_first_of(std::string("/\\:\0", 4)) != std::string::npos) {
      json.at("file").fail("a plain file name, not '" + file + "'");
    }
    sha256 = json.at("sha256").string();
    if (sha256.size() != 64 || sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
      json.at("sha256").fail("64 hexadecimal digits, not '" + sha256 + "'");
    }
    bytes = json.at("bytes").integer(max_file_bytes);
  }

  static Target read_target(const std::string& name, const Json& json,
                            const SearchSpace& space) {
    Target target;
    target.name = name;
    target.metric = json.at("metric").string();
    if (!json.at("device").is_null()) target.device = json.at("device").string();
    target.unit = json.at("unit").string();
    target.direction = json.at("direction").string();
    if (target.direction != "max" && target.direction != "min") {
      json.at("direction").fail("max or min, not '" + target.direction + "'");
    }
    target.form = json.at("form").string();
    target.members = static_cast<std::size_t>(json.at("members").integer(1024));
    if (target.members == 0) json.at("members").fail("an integer from 1 to 1024, not 0");
    read_file_facts(json, target.file, target.sha256, target.bytes);
    if (const Json* tables = json.find("tables")) {
      target.tables = read_tables(*tables, target);
      target.link = read_link(json.at("link"), space);
    }
    if (const Json* calibration = json.find("calibration")) {
      target.calibration = read_calibration(*calibration);
    }
    return target;
  }

  static Link read_link(const Json& json, const SearchSpace& space) {
    Link link;
    for (const Json& step : json.at("inverse").array()) {
      const std::string& name = step.string();
      if (name == "square") {
        link.inverse.push_back(Step::square);
      } else if (name == "sqrt") {
        link.inverse.push_back(Step::sqrt);
      } else if (name == "reciprocal") {
        link.inverse.push_back(Step::reciprocal);
      } else if (name == "reflect") {
        link.inverse.push_back(Step::reflect);
        link.offset = json.at("offset").number();
      } else if (name == "hinge") {
        link.inverse.push_back(Step::hinge);
      } else if (name == "regime") {
        link.inverse.push_back(Step::regime);
      } else {
        step.fail("square, sqrt, reciprocal, reflect, hinge or regime, not '" + name + "'");
      }
    }
    const auto steps = [&](Step wanted) {
      return static_cast<std::size_t>(
          std::count(link.inverse.begin(), link.inverse.end(), wanted));
    };
    if (steps(Step::hinge) > 0) {
      link.hinges = read_hinges(json.at("hinges"), steps(Step::hinge), "hinge");
    }
    if (steps(Step::regime) > 0 || json.find("regime")) {
      link.regime = read_regime(json.at("regime"), steps(Step::regime), space);
    }
    return link;
  }

  static std::vector<Hinge> read_hinges(const Json& json, std::size_t steps,
                                        const std::string& step) {
    std::vector<Hinge> hinges;
    bool pairs = true;
    for (const Json& hinge : json.array()) {
      const std::vector<Json>& parts = hinge.array();
      pairs &= parts.size() == 2;
      if (pairs) hinges.push_back({parts[0].number(), parts[1].number()});
    }
    if (!pairs || hinges.size() != steps) json.fail("one [knot, change] for each step " + step);
    return hinges;
  }

  static Regime read_regime(const Json& json, std::size_t steps, const SearchSpace& space) {
    Regime regime;
    const std::string& name = json.at("gene").string();
    const std::vector<Gene>& genes = space.genes();
    while (regime.gene < genes.size() && genes[regime.gene].name != name) ++regime.gene;
    if (regime.gene == genes.size()) {
      json.at("gene").fail("a gene of search space " + space.name() + ", not '" + name + "'");
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

  static Tables read_tables(const Json& json, const Target& target) {
    Tables tables;
    tables.offset = json.at("offset").integer(max_file_bytes);
    tables.entries = json.at("entries").integer(max_file_bytes);
    tables.scale = json.at("scale").number();
    tables.shift = json.at("shift").number();
    if (json.at("members").integer(1024) != target.members) {
      json.at("members").fail(std::to_string(target.members) + " as in the target's members");
    }
    const std::uint64_t end = tables.offset + 4 * tables.entries * target.members;
    if (end > target.bytes) {
      json.fail("within the file's " + std::to_string(target.bytes) + " bytes; they end at " +
                std::to_string(end));
    }
    return tables;
  }

  static Calibration read_calibration(const Json& json) {
    Calibration calibration;
    calibration.spread = json.at("spread").number();
    calibration.noise = json.at("noise").number();
    calibration.noise_power = static_cast<int>(json.at("noise_power").integer(2));
    if (!json.at("offset").is_null()) calibration.offset = json.at("offset").number();
    for (const Json& level : json.at("levels").array()) {
      calibration.levels.push_back(level.number());
    }
    for (const Json& quantile : json.at("quantiles").array()) {
      calibration.quantiles.push_back(quantile.number());
    }
    const std::vector<double>& levels = calibration.levels;
    if (levels.size() < 2 || levels.size() != calibration.quantiles.size() || levels[0] != 0 ||
        std::adjacent_find(levels.begin(), levels.end(), std::greater_equal<>()) != levels.end()) {
      json.at("levels").fail("two or more, that increase from 0, as many as quantiles");
    }
    return calibration;
  }

  static Golden read_golden(const Json& json) {
    Golden golden;
    read_file_facts(json, golden.file, golden.sha256, golden.bytes);
    golden.n = json.at("n").integer(max_file_bytes);
    if (json.at("byte_order").string() != "little") json.at("byte_order").fail("little");
    for (const Json& item : json.at("arrays").array()) {
      GoldenArray array;
      if (!item.at("target").is_null()) array.target = item.at("target").string();
      array.name = item.at("name").string();
      array.dtype = item.at("dtype").string();
      array.offset = item.at("offset").integer(max_file_bytes);
      if (array.dtype != "uint8" && array.dtype != "float32") {
        item.at("dtype").fail("uint8 or float32, not '" + array.dtype + "'");
      }
      std::uint64_t end = array.dtype == "uint8" ? 1 : 4;
      for (const Json& size : item.at("shape").array()) {
        array.shape.push_back(size.integer(max_file_bytes));
        if (array.shape.back() && end > max_file_bytes / array.shape.back()) size.fail("smaller");
        end *= array.shape.back();
      }
      if (array.offset + end > golden.bytes) {
        item.fail("within the file's " + std::to_string(golden.bytes) + " bytes");
      }
      golden.arrays.push_back(std::move(array));
    }
    return golden;
  }

  std::filesystem::path folder_;
  SearchSpace space_;
  std::vector<Target> targets_;
  std::optional<Golden> golden_;
};

}  // namespace anb

#endif  // ANB_MANIFEST_HPP
