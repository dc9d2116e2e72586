// Fuzzes the C++ clients: JSON, manifests, ONNX files, architectures as text, command lines.
//
// Every input must end in an anb::Error or in a right answer: one that another way of computing it
// gives, too. Anything else, another exception included, ends the program with a message.
//
//   fuzz_clients ARTIFACTS N SEED [CORPUS...]   the inputs of the corpus, then N mutants of them
//   fuzz_clients ARTIFACTS digits               every digit of the manifest, as every other one
//   fuzz_clients ARTIFACTS judge < DOCUMENTS    for each line, a JSON document: 1 if it is read
//   fuzz_clients ARTIFACTS spell CASES          the cases of architectures as text, of all languages
//
// ARTIFACTS is a folder with one target. An input is one byte, which says what it is, and its
// content. With -DANB_LIBFUZZER and clang's -fsanitize=fuzzer the same inputs are those of
// libFuzzer; the folder is then named by the environment variable ANB_FUZZ_ARTIFACTS.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anb_surrogate.hpp"

#include "anb_cli.hpp"

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::array<const char*, 5> kinds = {"json", "manifest", "onnx", "lines", "arguments"};
struct Counts {
  std::uint64_t tried = 0, refused = 0, accepted = 0;
};
std::array<Counts, kinds.size()> counts;

void demand(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "WRONG: %s\n", what);
  std::abort();
}

// What is written in docs/embedding.md under Tables, in the plainest way.
std::vector<double> members_of(const anb::SearchSpace& space, const anb::Target& target,
                               const anb::Bytes& onnx, const std::uint8_t* codes) {
  std::vector<std::size_t> symbols;
  std::size_t gene = 0;
  for (const anb::Block& block : space.blocks()) {
    symbols.push_back(0);
    for (const anb::Gene& choice : block.genes) {
      symbols.back() = symbols.back() * choice.choices.size() + codes[gene++];
    }
  }
  std::vector<double> members;
  for (std::size_t m = 0; m < target.members; ++m) {
    std::int64_t total = 0;
    std::size_t start = 0;
    for (const anb::Term& term : target.terms->list()) {
      std::size_t index = 0, n_entries = 1;
      for (const std::size_t block : term.blocks) {
        index = index * space.blocks()[block].size() + symbols[block];
        n_entries *= space.blocks()[block].size();
      }
      std::int32_t entry;
      const std::size_t place = (start + index) * target.members + m;
      std::memcpy(&entry, onnx.data() + target.tables->offset + 4 * place, 4);
      total += entry;
      start += n_entries;
    }
    double y = static_cast<double>(total) * target.tables->scale + target.tables->shift;
    std::size_t hinge = 0, bend = 0;
    const anb::Link& link = *target.link;
    for (const anb::Step step : link.inverse) {
      if (step == anb::Step::square) y = y * y;
      if (step == anb::Step::sqrt) y = std::sqrt(y);
      if (step == anb::Step::reciprocal) y = 1 / y;
      if (step == anb::Step::reflect) y = link.offset - y;
      if (step == anb::Step::hinge) {
        const anb::Hinge& here = link.hinges[hinge++];
        y = y + std::max(y - here.knot, 0.0) * here.change;
      }
      if (step == anb::Step::regime) {
        const anb::Hinge& here = link.regime->hinges[bend++];
        const double bent = y + std::max(y - here.knot, 0.0) * here.change;
        if (link.regime->inside[codes[link.regime->gene]]) y = bent;
      }
    }
    members.push_back(y);
  }
  return members;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// The target as its files say, before anybody changed them.
struct Original {
  std::string manifest_text;
  anb::Bytes onnx;
  anb::SearchSpace space = anb::mnasnet();
  anb::Target target;
  std::vector<std::uint8_t> codes;  // of some architectures
  std::size_t n = 0;

  static Original& instance() {
    static Original original;
    return original;
  }

  void read(const std::string& folder) {
    const anb::Bytes text = anb::read_file(folder + "/manifest.json", 1 << 20);
    manifest_text.assign(text.begin(), text.end());
    const anb::Manifest manifest(folder, manifest_text);
    space = manifest.space();
    target = manifest.targets().at(0);
    onnx = manifest.read_listed(target);
    for (std::uint64_t index = 0; n < 40; ++n, index += space.size() / 40) {
      for (const std::uint8_t code : space.codes_of_index(index)) codes.push_back(code);
    }
  }

  // A surrogate's predictions are those of the tables in a file.
  void demand_predictions(const anb::Surrogate& surrogate, const anb::Bytes& file) const {
    const std::size_t m_count = target.members;
    std::vector<float> mean(n), std_of(n), members(n * m_count);
    surrogate.predict(codes.data(), n, mean.data(), std_of.data(), members.data());
    for (std::size_t row = 0; row < n; ++row) {
      const auto expected =
          members_of(space, target, file, codes.data() + row * space.genes().size());
      double sum = 0, squares = 0;
      for (const double member : expected) sum += member;
      const double centre = sum / static_cast<double>(m_count);
      for (const double member : expected) squares += (member - centre) * (member - centre);
      const double deviation = std::sqrt(squares / static_cast<double>(m_count));
      demand(same_bits(static_cast<float>(centre), mean[row]), "a mean");
      demand(same_bits(static_cast<float>(deviation), std_of[row]), "a std");
      for (std::size_t m = 0; m < m_count; ++m) {
        demand(same_bits(static_cast<float>(expected[m]), members[row * m_count + m]),
               "a member's prediction");
      }
    }
  }
};

void walk(const anb::Json& json) {
  demand(!json.where().empty(), "a value without a place");
  if (json.kind() == anb::Json::Kind::array) {
    for (const anb::Json& item : json.array()) walk(item);
  } else if (json.kind() == anb::Json::Kind::object) {
    const std::vector<std::string> names = json.names();
    const std::vector<anb::Json> items = json.items();
    for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 50); ++i) {
      demand(json.at(names[i]).where() == items[i].where(), "a key that leads elsewhere");
      walk(items[i]);
    }
  } else if (json.kind() == anb::Json::Kind::string) {
    json.string();
  } else if (json.kind() == anb::Json::Kind::number) {
    try {
      demand(std::isfinite(json.number()), "a number that is not finite");
    } catch (const anb::Error&) {  // too large for a float64
    }
  }
}

void try_json(const std::string& text) { walk(anb::Json::parse(text, "fuzz")); }

// A manifest that is believed predicts what the original one does, in the same unit.
void try_manifest(const std::string& text) {
  const Original& original = Original::instance();
  const anb::Manifest manifest("nowhere", text, anb::Limits());
  bool believed = false;
  for (const anb::Target& target : manifest.targets()) {
    if (target.sha256 != original.target.sha256 || target.bytes != original.onnx.size()) continue;
    try {
      const anb::Surrogate surrogate(manifest.space(), target, original.onnx);
      original.demand_predictions(surrogate, original.onnx);
    } catch (const anb::Error&) {
      continue;
    }
    believed = true;
    const anb::Target& wanted = original.target;
    demand(manifest.space() == original.space, "another search space is believed");
    demand(target.unit == wanted.unit && target.metric == wanted.metric &&
               target.device == wanted.device && target.direction == wanted.direction &&
               target.form == wanted.form && target.members == wanted.members,
           "other facts are believed");
    demand(target.terms == wanted.terms && target.benchmark == wanted.benchmark,
           "other terms or another benchmark are believed");
    demand(target.calibration.has_value() == wanted.calibration.has_value(), "a calibration");
    if (!target.calibration) continue;
    const auto found = target.calibration->interval(3.5f, 0.25f, 0.9);
    const auto right = wanted.calibration->interval(3.5f, 0.25f, 0.9);
    demand(same_bits(found.predictive_std, right.predictive_std) &&
               same_bits(found.lower, right.lower) && same_bits(found.upper, right.upper),
           "another interval is believed");
  }
  if (!believed) throw anb::Error("nothing of it is believed");
}

// A file that is believed, whatever its hash, predicts what its own tables say.
void try_onnx(const anb::Bytes& content) {
  const Original& original = Original::instance();
  const anb::Surrogate surrogate(original.space, original.target, content);
  original.demand_predictions(surrogate, content);
}

// The values of an architecture by name, as Python writes them.
std::string spelled(const anb::Codes& codes, const anb::SearchSpace& space) {
  std::string text = "{";
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const anb::Value& value = space.genes()[i].choices[codes[i]];
    const std::string shown = value.show();
    text += "'" + space.genes()[i].name + "': ";
    text += value.kind() != anb::Value::Kind::boolean ? shown : shown == "true" ? "True" : "False";
    text += ", ";
  }
  return text + "}";
}

void try_lines(const std::string& text) {
  const anb::SearchSpace& space = Original::instance().space;
  std::string error;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    try {
      const anb::Codes codes = anb::parse_architecture(line, space);
      const std::uint64_t index = space.index_of_codes(codes);
      demand(space.codes_of_index(index) == codes, "an index of another architecture");
      demand(space.codes_of_digits(std::to_string(index)) == codes, "digits of another architecture");
      demand(anb::parse_architecture(spelled(codes, space), space) == codes, "values of another");
      if (!line.empty() && line.find_first_not_of("0123456789") == std::string::npos) {
        demand(std::strtoull(line.c_str(), nullptr, 10) == index, "an index read as another");
      }
    } catch (const anb::Error& refused) {
      error = refused.what();
    }
  }
  if (!error.empty()) throw anb::Error(error);
}

void try_arguments(const std::string& text) {
  std::vector<std::string> words = {"fuzz"};
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const auto options = anb::cli::parse_options(static_cast<int>(argv.size()), argv.data());
  demand(options.threads >= 1 && options.threads <= 1024, "a number of threads");
  demand(options.rows >= 1 && options.rows <= 100'000'000, "a number of rows");
  demand(std::isfinite(options.level), "a level that is not finite");
}

void try_input(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  const std::size_t kind = data[0] % kinds.size();
  const std::string text(data + 1, data + size);
  ++counts[kind].tried;
  try {
    switch (kind) {
      case 0: try_json(text); break;
      case 1: try_manifest(text); break;
      case 2: try_onnx(anb::Bytes(data + 1, data + size)); break;
      case 3: try_lines(text); break;
      case 4: try_arguments(text); break;
    }
    ++counts[kind].accepted;
  } catch (const anb::Error& error) {
    ++counts[kind].refused;
    const std::string message = error.what();
    demand(!message.empty() && message == anb::detail::printable(message), "a message to show");
  }
}

#if !defined(ANB_LIBFUZZER)

// Steele, Lea and Flood's SplitMix64: the same numbers everywhere.
struct Random {
  std::uint64_t state;

  std::uint64_t next() {
    std::uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
};

constexpr const char* tokens[] = {
    "0", "-1", "1", "2", "1e308", "-1e308", "1e-320", "1e999", "4294967296", "2147483647",
    "18446744073709551615", "18446744073709551616", "0.5", "null", "true", "false", "[]", "{}",
    "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[[[[", "{\"a\":", ",", ":", "\"", "\x1b[2J", "\n", " ",
    "\xff", "\xe2\x80\xae", "\"unit\":\"s\",", "\"square\",", "\"hinge\",", "[1,2],", "--threads",
    "--rows\n", "--interval\n", "nan", "inf", "[[1],[3],[1],[true]]", "--benchmark\n",
    "\"terms\":[[0]],", "[0,1]", "[[1],[0,2,3]]", "\"benchmark\":\"x\",", "\"p\"", "[\"p\",16,true]",
    "True", "(0,", ")", "'", "'deep'", "1.0", "0e3", ",}", "[0 1 0 0 0 0 0 1]", "{'a': 1}", "\\u0061"};

using Corpus = std::array<std::vector<Input>, kinds.size()>;

Input mutate(Random& random, const Corpus& inputs) {
  const std::vector<Input>& corpus = inputs[random.below(kinds.size())];
  Input input = corpus[random.below(corpus.size())];
  for (std::size_t times = 1 + random.below(4); times > 0; --times) {
    constexpr std::size_t most = 200;  // bytes that come or go at once
    const std::size_t size = input.size(), at = 1 + random.below(size);
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(std::min(at, size));
    switch (random.below(8)) {
      case 0:
        if (at < size) input[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
        break;
      case 1:
        if (at < size) input[at] = static_cast<std::uint8_t>(random.next());
        break;
      case 2: {  // a digit, the smallest edit that means something
        std::size_t i = at;
        while (i < size && (input[i] < '0' || input[i] > '9')) ++i;
        if (i < size) input[i] = static_cast<std::uint8_t>('0' + random.below(10));
        break;
      }
      case 3: {
        const std::string_view token = tokens[random.below(std::size(tokens))];
        input.insert(place, token.begin(), token.end());
        break;
      }
      case 4: {  // a token in the place of a word
        const std::string_view token = tokens[random.below(std::size(tokens))];
        auto end = place;
        while (end != input.end() && std::strchr(",:]} \n", *end) == nullptr) ++end;
        const auto start = input.erase(place, end);
        input.insert(start, token.begin(), token.end());
        break;
      }
      case 5: input.resize(1 + random.below(size)); break;
      case 6:
        input.erase(place, place + static_cast<std::ptrdiff_t>(random.below(
                               std::min(size - std::min(at, size), most) + 1)));
        break;
      case 7: {  // a part of another input, or of itself
        const Input& other = corpus[random.below(corpus.size())];
        const std::size_t first = random.below(other.size());
        const std::size_t count = random.below(std::min(other.size() - first, most) + 1);
        input.insert(place, other.begin() + static_cast<std::ptrdiff_t>(first),
                     other.begin() + static_cast<std::ptrdiff_t>(first + count));
        break;
      }
    }
  }
  return input;
}

Input tagged(std::size_t kind, const anb::Bytes& content) {
  Input input = {static_cast<std::uint8_t>(kind)};
  input.insert(input.end(), content.begin(), content.end());
  return input;
}

// Files of a corpus say what they are by the folder in which they lie.
void add_corpus(const std::filesystem::path& folder, Corpus& corpus) {
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    std::vector<std::filesystem::path> files;
    if (!std::filesystem::is_directory(folder / kinds[kind])) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder / kinds[kind])) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      corpus[kind].push_back(tagged(kind, anb::read_file(file, 1 << 24)));
    }
  }
}

void report() {
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    std::printf("%s\t%llu tried\t%llu refused\t%llu accepted and right\n", kinds[kind],
                static_cast<unsigned long long>(counts[kind].tried),
                static_cast<unsigned long long>(counts[kind].refused),
                static_cast<unsigned long long>(counts[kind].accepted));
  }
}

// A digit of a number is the smallest edit of a manifest that people make. All that are believed
// predict what the original does.
void change_digits() {
  Input input = {1};
  const std::string& text = Original::instance().manifest_text;
  input.insert(input.end(), text.begin(), text.end());
  for (std::size_t at = 1; at < input.size(); ++at) {
    const std::uint8_t digit = input[at];
    if (digit < '0' || digit > '9') continue;
    for (std::uint8_t other = '0'; other <= '9'; ++other) {
      input[at] = other;
      if (other != digit) try_input(input.data(), input.size());
    }
    input[at] = digit;
  }
}

int judge() {
  std::string line;
  while (std::getline(std::cin, line)) {
    bool read = true;
    try {
      anb::Json::parse(line, "judge");
    } catch (const anb::Error&) {
      read = false;
    }
    std::puts(read ? "1" : "0");
  }
  return 0;
}

// Cases of spaces, each with texts that have codes, texts that are written of codes, and texts whose
// error has to name something.
int spell(const char* file) {
  const anb::Bytes content = anb::read_file(file, 1 << 24);
  const anb::Json cases = anb::Json::parse(std::string(content.begin(), content.end()), file);
  int wrong = 0;
  for (const anb::Json& here : cases.at("spaces").array()) {
    const anb::SearchSpace space = anb::detail::read_space(here.at("space"));
    const auto complain = [&](const anb::Json& one, const std::string& found) {
      ++wrong;
      std::printf("WRONG\t%s\t%s\t%s\n", space.name().c_str(), one.at("text").string().c_str(),
                  found.c_str());
    };
    const std::vector<anb::Json> valid = here.at("valid").array(), bad = here.at("invalid").array();
    for (const anb::Json& one : valid) {
      anb::Codes codes;
      for (const anb::Json& code : one.at("codes").array()) {
        codes.push_back(static_cast<std::uint8_t>(code.integer(255)));
      }
      try {
        if (anb::parse_architecture(one.at("text").string(), space) != codes) complain(one, "codes");
      } catch (const anb::Error& error) {
        complain(one, error.what());
      }
    }
    const std::optional<anb::Json> prints = here.find("prints");
    for (const anb::Json& one : prints ? prints->array() : std::vector<anb::Json>()) {
      anb::Codes codes;
      for (const anb::Json& code : one.at("codes").array()) {
        codes.push_back(static_cast<std::uint8_t>(code.integer(255)));
      }
      const std::string found = anb::format_architecture(codes, space);
      if (found != one.at("text").string()) complain(one, found);
    }
    for (const anb::Json& one : bad) {
      try {
        anb::parse_architecture(one.at("text").string(), space);
        complain(one, "it was believed");
      } catch (const anb::Error& error) {
        const std::string message = error.what();
        bool names = message.size() < 2000;
        for (const anb::Json& name : one.at("names").array()) {
          names = names && message.find(name.string()) != std::string::npos;
        }
        if (!names) complain(one, message);
      }
    }
    std::printf("%s\t%zu valid\t%zu invalid\n", space.name().c_str(), valid.size(), bad.size());
  }
  return wrong > 0 ? 1 : 0;
}

#endif

}  // namespace

#if defined(ANB_LIBFUZZER)

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("ANB_FUZZ_ARTIFACTS");
  demand(folder != nullptr, "ANB_FUZZ_ARTIFACTS must name a folder of artifacts");
  Original::instance().read(folder);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try_input(data, size);
  return 0;
}

#else

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: fuzz_clients ARTIFACTS (judge | digits | spell CASES | N SEED [CORPUS...])\n", stderr);
    return 2;
  }
  if (std::strcmp(argv[2], "judge") == 0) return judge();
  if (argc > 3 && std::strcmp(argv[2], "spell") == 0) return spell(argv[3]);
  Original& original = Original::instance();
  original.read(argv[1]);
  if (std::strcmp(argv[2], "digits") == 0) {
    change_digits();
    report();
    return 0;
  }
  const anb::Bytes manifest(original.manifest_text.begin(), original.manifest_text.end());
  Corpus corpus;
  corpus[0] = {tagged(0, manifest)};
  corpus[1] = {tagged(1, manifest)};
  corpus[2] = {tagged(2, original.onnx)};
  corpus[3] = {tagged(3, {'0'})};
  corpus[4] = {tagged(4, {'0'})};
  for (int i = 4; i < argc; ++i) add_corpus(argv[i], corpus);
  std::uint64_t kept = 0;
  for (const std::vector<Input>& inputs : corpus) {
    for (const Input& input : inputs) try_input(input.data(), input.size());
    kept += inputs.size();
  }
  demand(counts[1].accepted > 0 && counts[2].accepted > 0, "the original is refused");
  Random random{std::strtoull(argv[3], nullptr, 10)};
  for (std::uint64_t left = std::strtoull(argv[2], nullptr, 10); left > 0; --left) {
    const Input input = mutate(random, corpus);
    try_input(input.data(), input.size());
  }
  std::printf("kept inputs\t%llu\n", static_cast<unsigned long long>(kept));
  report();
  return 0;
}

#endif
