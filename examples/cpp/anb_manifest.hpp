// manifest.json: which targets a folder of artifacts holds, and what a client must know of them.
// No dependencies; C++17. The keys are described in docs/embedding.md.
#ifndef ANB_MANIFEST_HPP
#define ANB_MANIFEST_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "anb_cards.hpp"
#include "anb_encoder.hpp"
#include "anb_files.hpp"
#include "anb_json.hpp"
#include "anb_outputs.hpp"

namespace anb {

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

namespace detail {

inline void read_file_facts(const Json& json, std::string& file, std::string& sha256,
                            std::uint64_t& bytes) {
  file = json.at("file").string();
  // A plain name: what a manifest says must not lead out of its folder.
  if (file.empty() || file == "." || file == ".." ||
      file.find_first_of(std::string("/\\:\0", 4)) != std::string::npos) {
    json.at("file").fail("a plain file name, not '" + excerpt(file) + "'");
  }
  sha256 = json.at("sha256").string();
  if (sha256.size() != 64 || sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    json.at("sha256").fail("64 hexadecimal digits, not '" + excerpt(sha256, 80) + "'");
  }
  bytes = json.at("bytes").integer(max_stated);
}

// With sums of int32, every step of a link stays inside float64.
inline double read_scale(const Json& json) {
  const double scale = json.number();
  if (!(std::fabs(scale) >= 0x1p-500 && std::fabs(scale) <= 0x1p95)) {
    json.fail("from 2^-500 to 2^95 in size");
  }
  return scale;
}

inline double read_shift(const Json& json) {
  const double shift = json.number();
  if (!(std::fabs(shift) <= 0x1p126)) json.fail("at most 2^126 in size");
  return shift;
}

inline Tables read_tables(const Json& json, const Target& target) {
  Tables tables;
  tables.offset = json.at("offset").integer(max_stated);
  tables.entries = json.at("entries").integer(Terms::max_entries);
  if (tables.entries != target.terms->entries()) {
    json.at("entries").fail(std::to_string(target.terms->entries()) + " as the terms have, not " +
                            std::to_string(tables.entries));
  }
  const std::size_t n_outputs = is_vector(target) ? target.outputs.size() : 1;
  if (is_vector(target)) {
    check_keys(json, {"offset", "entries", "members", "outputs", "scale", "shift"});
    if (json.at("outputs").integer(max_outputs) != n_outputs) {
      json.at("outputs").fail(std::to_string(n_outputs) + ", as many as there are outputs");
    }
    for (const Json& scale : json.at("scale").array(n_outputs)) {
      tables.scales.push_back(read_scale(scale));
    }
    for (const Json& shift : json.at("shift").array(n_outputs)) {
      tables.shifts.push_back(read_shift(shift));
    }
    if (tables.scales.size() != n_outputs || tables.shifts.size() != n_outputs) {
      json.fail("of a scale and a shift for each output");
    }
  } else {
    tables.scale = read_scale(json.at("scale"));
    tables.shift = read_shift(json.at("shift"));
  }
  if (json.at("members").integer(Target::max_members) != target.members) {
    json.at("members").fail(std::to_string(target.members) + " as in the target's members");
  }
  const std::uint64_t end = tables.offset + 4 * tables.entries * target.members * n_outputs;
  if (end > target.bytes) {
    json.fail("within the file's " + std::to_string(target.bytes) + " bytes; they end at " +
              std::to_string(end));
  }
  return tables;
}

inline Target read_target(const std::string& benchmark, const std::string& name, const Json& json,
                          const SearchSpace& space) {
  Target target;
  target.benchmark = benchmark;
  target.name = check_name(json, name);
  const auto tables = json.find("tables");
  read_card(json, space, tables.has_value(), target);
  read_outputs(json, space, target);
  read_file_facts(json, target.file, target.sha256, target.bytes);
  if (tables) target.tables = read_tables(*tables, target);
  return target;
}

inline GoldenArray read_golden_array(const Json& json, std::uint64_t file_bytes) {
  GoldenArray array;
  if (!json.at("target").is_null()) array.target = read_name(json, "target");
  array.name = json.at("name").string();
  array.dtype = json.at("dtype").string();
  array.offset = json.at("offset").integer(max_stated);
  if (array.dtype != "uint8" && array.dtype != "float32") {
    json.at("dtype").fail("uint8 or float32, not '" + excerpt(array.dtype) + "'");
  }
  std::uint64_t bytes = array.dtype == "uint8" ? 1 : 4;
  for (const Json& size : json.at("shape").array(8)) {
    array.shape.push_back(size.integer(max_stated));
    if (array.shape.back() && bytes > max_stated / array.shape.back()) size.fail("smaller");
    bytes *= array.shape.back();
  }
  if (array.offset + bytes > file_bytes) {
    json.fail("within the file's " + std::to_string(file_bytes) + " bytes");
  }
  return array;
}

inline Golden read_golden(const Json& json) {
  Golden golden;
  read_file_facts(json, golden.file, golden.sha256, golden.bytes);
  golden.n = json.at("n").integer(max_stated);
  if (json.at("byte_order").string() != "little") json.at("byte_order").fail("little");
  std::set<std::pair<std::string, std::string>> seen;
  for (const Json& item : json.at("arrays").array()) {
    golden.arrays.push_back(read_golden_array(item, golden.bytes));
    const GoldenArray& array = golden.arrays.back();
    if (!seen.insert({array.target, array.name}).second) item.fail("listed once");
  }
  return golden;
}

// Whether something of that name is there, be it only a link to nothing.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

// The schema comes first: under another one, everything else may mean something else.
inline void check_schema(const Json& document) {
  const Json json = document.at("schema");
  const std::uint64_t found = json.integer(UINT32_MAX);
  if (found == schema) return;
  json.fail(std::to_string(schema) + ", not " + std::to_string(found) +
            mend_schema(found));
}

}  // namespace detail

// What one benchmark's manifest.json lists. A *root* is a folder of such folders, each called as its
// benchmark.
class Manifest {
 public:
  static constexpr std::size_t max_targets = 4096;
  static constexpr const char* default_benchmark = "accel-nasbench";

  // Reads the manifest.json of a benchmark's own folder.
  static Manifest read(const std::filesystem::path& folder,
                       const Limits& limits = Limits::from_environment()) {
    return Manifest(folder, document_of(folder, limits), limits);
  }

  // Reads a benchmark of a folder, which is the benchmark's own or a root. Without a name,
  // accel-nasbench if it is there, or else the only one.
  static Manifest open(const std::filesystem::path& folder, std::string benchmark = "",
                       const Limits& limits = Limits::from_environment()) {
    const bool own = detail::is_there(folder / "manifest.json");
    const std::vector<std::string> names = benchmarks(folder, limits);
    const auto has = [&](const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (benchmark.empty()) {
      benchmark = has(default_benchmark) ? default_benchmark : names[0];
      if (names.size() > 1 && benchmark != default_benchmark) {
        throw Error(folder.string() + " holds several benchmarks, name one of: " + show(names));
      }
    }
    if (!has(benchmark)) {
      throw Error("unknown benchmark '" + detail::excerpt(benchmark) + "'; valid benchmarks of " +
                  folder.string() + ": " + show(names));
    }
    Manifest manifest = read(own ? folder : folder / benchmark, limits);
    if (manifest.benchmark() != benchmark) {
      throw Error((folder / benchmark).string() + " is not called as its benchmark, '" +
                  manifest.benchmark() + "': rename it to that");
    }
    return manifest;
  }

  // The names of the benchmarks of a folder, which is a benchmark's own or a root; sorted. Throws if
  // there is none.
  static std::vector<std::string> benchmarks(const std::filesystem::path& folder,
                                             const Limits& limits = Limits::from_environment()) {
    if (detail::is_there(folder / "manifest.json")) {
      return {read_name(document_of(folder, limits))};
    }
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      const bool found =
          detail::is_benchmark(name) && detail::is_there(entry->path() / "manifest.json");
      if (found) names.push_back(name);
    }
    if (error) throw Error(folder.string() + " cannot be read (" + error.message() + ")");
    if (names.empty()) {
      throw Error(folder.string() + " is a folder without manifest.json, and so are all in it");
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // `text` is the JSON document; the files it lists are looked for in `folder`.
  Manifest(std::filesystem::path folder, const std::string& text,
           const Limits& limits = Limits::from_environment())
      : Manifest(folder, Json::parse(text, (folder / "manifest.json").string()), limits) {}

  const std::filesystem::path& folder() const { return folder_; }
  const std::string& benchmark() const { return benchmark_; }
  const SearchSpace& space() const { return space_; }
  const std::vector<Target>& targets() const { return targets_; }
  const std::optional<Golden>& golden() const { return golden_; }

  const Target& find(const std::string& name) const {
    std::string names;
    for (const Target& target : targets_) {
      if (target.name == name) return target;
      names += (names.empty() ? "" : ", ") + target.name;
    }
    throw Error("unknown target '" + detail::excerpt(name) + "'; valid targets: " +
                detail::excerpt(names, 1000));
  }

  // The content of a target's file or of the golden vectors, once size and SHA-256 are right.
  Bytes read_listed(const Target& target) const {
    return read_listed(target, limits_.artifact, Limits::artifact_variable);
  }
  Bytes read_listed(const Golden& golden) const {
    return read_listed(golden, limits_.golden, Limits::golden_variable);
  }

 private:
  Manifest(std::filesystem::path folder, const Json& document, const Limits& limits)
      : folder_(std::move(folder)),
        limits_(limits),
        benchmark_(read_name(document)),
        space_(detail::read_space(document.at("search_space"))) {
    const Json targets = document.at("targets");
    const std::vector<std::string> names = targets.names();
    const std::vector<Json> entries = targets.items();
    if (names.size() > max_targets) {
      targets.fail("an object of at most " + std::to_string(max_targets) + " targets, not " +
                   std::to_string(names.size()));
    }
    std::set<std::string> files;
    for (std::size_t i = 0; i < names.size(); ++i) {
      targets_.push_back(detail::read_target(benchmark_, names[i], entries[i], space_));
      if (!files.insert(targets_.back().file).second) {
        entries[i].at("file").fail("a file of no other target, not '" + targets_.back().file + "'");
      }
    }
    if (const auto golden = document.find("golden")) golden_ = detail::read_golden(*golden);
  }

  static Json document_of(const std::filesystem::path& folder, const Limits& limits) {
    const std::filesystem::path path = folder / "manifest.json";
    const Bytes content = read_file(path, limits.manifest, Limits::manifest_variable);
    return Json::parse(std::string(content.begin(), content.end()), path.string());
  }

  static std::string read_name(const Json& document) {
    detail::check_schema(document);
    return detail::read_benchmark(document);
  }

  static std::string show(const std::vector<std::string>& names) {
    std::string shown;
    for (const std::string& name : names) shown += (shown.empty() ? "" : ", ") + name;
    return detail::excerpt(shown, 1000);
  }

  template <class Listed>
  Bytes read_listed(const Listed& listed, std::uint64_t limit, const char* variable) const {
    const std::filesystem::path path = folder_ / listed.file;
    Bytes content = read_file(path, limit, variable);
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

  std::filesystem::path folder_;
  Limits limits_;
  std::string benchmark_;
  SearchSpace space_;
  std::vector<Target> targets_;
  std::optional<Golden> golden_;
};

}  // namespace anb

#endif  // ANB_MANIFEST_HPP
