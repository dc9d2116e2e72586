// The command lines of the example programs: options, architectures as text, errors.
#ifndef ANB_CLI_HPP
#define ANB_CLI_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anb_encoder.hpp"
#include "anb_manifest.hpp"

namespace anb::cli {

inline constexpr int ok = 0, different = 1, user_error = 2;

struct Options {
  std::filesystem::path artifacts = "artifacts";
  std::vector<std::string> arguments;
  bool members = false, hex = false, verify = false;
  std::optional<double> level;
  std::size_t rows = 1'000'000, repeats = 20, threads = 1;
};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

inline std::size_t parse_count(const std::string& option, const std::string& text) {
  const auto value = parse_number<std::size_t>(text);
  if (!value || *value < 1 || *value > 100'000'000) {
    throw Error(option + " takes an integer from 1 to 100000000, not '" + text + "'");
  }
  return *value;
}

inline Options parse_options(int argc, char** argv) {
  Options options;
  if (const char* folder = std::getenv("ANB_ONNX_ARTIFACTS"); folder && *folder) {
    options.artifacts = folder;
  }
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == argc) throw Error(word + " takes a value");
      return argv[++i];
    };
    if (word == "--artifacts") {
      options.artifacts = value();
    } else if (word == "--members") {
      options.members = true;
    } else if (word == "--hex") {
      options.hex = true;
    } else if (word == "--verify") {
      options.verify = true;
    } else if (word == "--interval") {
      const std::string text = value();
      char* end = nullptr;
      options.level = std::strtod(text.c_str(), &end);
      if (text.empty() || *end) throw Error("--interval takes a level as 0.9, not '" + text + "'");
    } else if (word == "--rows") {
      options.rows = parse_count(word, value());
    } else if (word == "--repeats") {
      options.repeats = parse_count(word, value());
    } else if (word == "--threads") {
      options.threads = parse_count(word, value());
    } else if (word.size() > 1 && word[0] == '-' && word[1] == '-') {
      throw Error("unknown option " + word + " (see --help)");
    } else {
      options.arguments.push_back(word);
    }
  }
  return options;
}

// [[expansion...],[kernel...],[layers...],[se...]]: integers, and true or false for se.
inline Lists parse_lists(const std::string& text) {
  const Json json = Json::parse(text, "the architecture");
  if (json.array().size() != 4) json.fail("four lists: expansion, kernel, layers, se");
  std::vector<int> lists[4];
  for (std::size_t part = 0; part < 4; ++part) {
    for (const Json& value : json.array()[part].array()) {
      lists[part].push_back(part == 3 ? value.boolean()
                                      : static_cast<int>(value.integer(INT32_MAX)));
    }
  }
  return {lists[0], lists[1], lists[2], lists[3]};
}

// An architecture as a person or a program writes it: a name, four lists, an index, or all codes.
inline Codes parse_architecture(const std::string& text, const SearchSpace& space) {
  std::vector<std::string_view> words;
  const std::string_view separators = " \t\r\n,";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    if (end > at) words.push_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  if (words.size() == 1 && words[0] == "efficientnet-b0") {
    return space.codes_of_lists(efficientnet_b0());
  }
  if (!words.empty() && words[0][0] == '[') return space.codes_of_lists(parse_lists(text));
  if (words.size() == 1) {
    if (const auto index = parse_number<std::uint64_t>(words[0])) {
      return space.codes_of_index(*index);
    }
  }
  Codes codes;
  for (const std::string_view word : words) {
    const auto code = parse_number<std::uint8_t>(word);
    if (!code || words.size() == 1) {
      throw Error("'" + text.substr(0, 60) + "' is no architecture; give efficientnet-b0, an " +
                  "index from 0 to " + std::to_string(space.size() - 1) + ", " +
                  std::to_string(space.genes().size()) + " codes, or four lists "
                  "[[expansion...],[kernel...],[layers...],[se...]]");
    }
    codes.push_back(*code);
  }
  space.check_codes(codes);
  return codes;
}

// Runs a program; `usage` is printed for --help, and errors on one line of standard error.
inline int run(int argc, char** argv, const char* usage,
               const std::function<int(const Manifest&, const Options&)>& work) {
  try {
    for (int i = 1; i < argc; ++i) {
      if (std::strcmp(argv[i], "--help") == 0) {
        std::fputs(usage, stdout);
        return ok;
      }
    }
    const Options options = parse_options(argc, argv);
    return work(Manifest::read(options.artifacts), options);
  } catch (const std::exception& error) {
    const std::string name = std::filesystem::path(argc > 0 ? argv[0] : "").filename().string();
    std::fprintf(stderr, "%s: error: %s\n", name.c_str(), error.what());
    return user_error;
  }
}

}  // namespace anb::cli

#endif  // ANB_CLI_HPP
