// The command lines of the example programs: options, architectures as text, errors.
#ifndef ANB_CLI_HPP
#define ANB_CLI_HPP

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#if !defined(_WIN32)
#include <fcntl.h>
#endif

#include "anb_encoder.hpp"
#include "anb_json.hpp"
#include "anb_manifest.hpp"
#include "anb_mnasnet.hpp"
#include "anb_nasbench201.hpp"

namespace anb::cli {

inline constexpr int ok = 0, different = 1, user_error = 2;

struct Options {
  std::filesystem::path artifacts = "artifacts";
  std::string benchmark;  // "": the only one of the folder
  std::vector<std::string> arguments;
  bool members = false, hex = false, verify = false, input_is_closed = false;
  double level = 0.9;             // of the interval
  bool level_is_given = false;
  std::size_t rows = 1'000'000, repeats = 20, threads = 1;
};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

inline std::size_t parse_count(const std::string& option, const std::string& text,
                               std::size_t most) {
  const auto value = parse_number<std::size_t>(text);
  if (!value || *value < 1 || *value > most) {
    throw Error(option + " takes an integer from 1 to " + std::to_string(most) + ", not '" +
                detail::excerpt(text) + "'");
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
      const std::string folder = value();
      if (folder.empty()) throw Error("--artifacts takes a folder, not ''");
      options.artifacts = folder;
    } else if (word == "--benchmark") {
      options.benchmark = value();
      if (options.benchmark.empty()) throw Error("--benchmark takes a name, not ''");
    } else if (word == "--members") {
      options.members = true;
    } else if (word == "--hex") {
      options.hex = true;
    } else if (word == "--verify") {
      options.verify = true;
    } else if (word == "--interval") {
      const std::string text = value();
      const std::optional<double> level = detail::parse_double(text);
      if (!level) {
        throw Error("--interval takes a level as 0.9, not '" + detail::excerpt(text) + "'");
      }
      options.level = *level;
      options.level_is_given = true;
    } else if (word == "--rows") {
      options.rows = parse_count(word, value(), 100'000'000);
    } else if (word == "--repeats") {
      options.repeats = parse_count(word, value(), 1'000'000);
    } else if (word == "--threads") {
      options.threads = parse_count(word, value(), 1024);
    } else if (word.size() > 1 && word[0] == '-' && word[1] == '-') {
      throw Error("unknown option " + detail::excerpt(word) + " (see --help)");
    } else {
      options.arguments.push_back(word);
    }
  }
  return options;
}

// The four lists of mnasnet: integers, and true or false for se.
inline Lists parse_lists(const std::vector<Json>& parts) {
  std::vector<int> lists[4];
  for (std::size_t part = 0; part < 4; ++part) {
    for (const Json& value : parts[part].array()) {
      lists[part].push_back(part == 3 ? value.boolean()
                                      : static_cast<int>(value.integer(INT32_MAX)));
    }
  }
  return {lists[0], lists[1], lists[2], lists[3]};
}

// Values by the names of the genes, {"gene": value, ...}, or in their order, [value, ...]; and the
// four lists where the space is mnasnet, [[expansion...], [kernel...], [layers...], [se...]] or
// {"expansion": [...], ...}.
inline Codes parse_json(const std::string& text, const SearchSpace& space) {
  const Json json = Json::parse(text, "the architecture");
  const bool mnasnet = space.name() == "mnasnet", object = json.kind() == Json::Kind::object;
  std::vector<Json> items = object ? json.items() : json.array();
  if (mnasnet && object && json.find("expansion") && items.size() == 4) {
    items = {json.at("expansion"), json.at("kernel"), json.at("layers"), json.at("se")};
    return codes_of_lists(space, parse_lists(items));
  }
  if (object) {
    const std::vector<std::string> names = json.names();
    std::map<std::string, Value> values;
    for (std::size_t i = 0; i < items.size(); ++i) {
      values.emplace(names[i], detail::read_value(items[i]));
    }
    return space.codes_of_values(values);
  }
  if (mnasnet && (items.empty() || items[0].kind() == Json::Kind::array)) {
    if (items.size() != 4) json.fail("four lists: expansion, kernel, layers, se");
    return codes_of_lists(space, parse_lists(items));
  }
  std::vector<Value> values;
  for (const Json& item : items) values.push_back(detail::read_value(item));
  return space.codes_of_row(values);
}

// The words of a line, between which stand spaces, tabs or one comma; nothing if a field between
// commas is empty, as nobody can tell what it was to be.
inline std::optional<std::vector<std::string_view>> split(std::string_view text) {
  std::vector<std::string_view> words;
  bool comma = false;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ',') {
      if (comma || words.empty()) return {};
      comma = true;
    }
    const std::size_t end = std::min(text.find_first_of(" \t\r\n,", at), text.size());
    if (end > at) {
      words.push_back(text.substr(at, end - at));
      comma = false;
    }
    at = std::max(end, at + 1);
  }
  if (comma) return {};
  return words;
}

// What `parse_architecture` takes.
inline std::string spellings(const SearchSpace& space) {
  const bool mnasnet = space.name() == "mnasnet";
  return std::string(mnasnet ? "efficientnet-b0, " : "") +
         (has_arch_strings(space) ? "a string '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|', " : "") +
         (space.has_indices() ? "an index from 0 to " + std::to_string(space.size() - 1) + ", "
                              : "") +
         std::to_string(space.genes().size()) + " codes, values as {\"gene\": value, ...} or "
         "[value, ...]" +
         (mnasnet ? ", or four lists [[expansion...],[kernel...],[layers...],[se...]]" : "");
}

// An architecture as a person or a program writes it: a name, a string of NAS-Bench-201, JSON, an index,
// or all codes.
inline Codes parse_architecture(const std::string& text, const SearchSpace& space) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && (text[start] == '[' || text[start] == '{')) {
    return parse_json(text, space);
  }
  const auto words = split(text);
  if (words && words->size() == 1) {
    const std::string_view word = words->front();
    if (has_arch_strings(space) && word[0] == '|') return codes_of_arch_string(space, word);
    if (word == "efficientnet-b0") return codes_of_lists(space, efficientnet_b0());
    const bool number = word.find_first_not_of("0123456789") == std::string_view::npos;
    if (number) space.size();  // throws where there are no indices
    if (const auto index = parse_number<std::uint64_t>(word)) return space.codes_of_index(*index);
  }
  Codes codes;
  for (const std::string_view word : words.value_or(std::vector<std::string_view>())) {
    const auto code = parse_number<std::uint8_t>(word);
    if (!code) break;
    codes.push_back(*code);
  }
  if (!words || words->size() < 2 || codes.size() != words->size()) {
    throw Error("'" + detail::excerpt(text) + "' is no architecture; give " + spellings(space));
  }
  space.check_codes(codes);
  return codes;
}

// Writes to standard output; throws if it is full or closed.
inline void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    throw Error(std::string("cannot write to standard output (") + std::strerror(errno) + ")");
  }
}

// Standard streams that are closed are opened on nothing: the next file to be opened would take
// their place, and be written to. Says which were closed.
struct ClosedStreams {
  bool input = false, output = false;

  static ClosedStreams find() {
    ClosedStreams closed;
#if !defined(_WIN32)
    for (int stream = 0; stream < 3; ++stream) {
      if (::fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
      if (::open("/dev/null", O_RDWR) != stream) throw Error("standard streams cannot be opened");
      if (stream == 0) closed.input = true;
      if (stream == 1) closed.output = true;
    }
#endif
    return closed;
  }
};

// The name by which a program was started.
inline std::string program_name(int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "";
  return detail::printable(path.substr(path.find_last_of('/') + 1));
}

// Runs a program; `usage` is printed for --help, and errors on one line of standard error.
inline int run(int argc, char** argv, const char* usage,
               const std::function<int(const Manifest&, const Options&)>& work) {
  std::string message;
  try {
    const ClosedStreams closed = ClosedStreams::find();
    if (closed.output) throw Error("cannot write to standard output (it is closed)");
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word == "--help" || word == "-h") {
        write_out(usage);
        return ok;
      }
      if (word == "--version") {
        write_out(program_name(argc, argv) + ' ' + version + '\n');
        return ok;
      }
    }
    Options options = parse_options(argc, argv);
    options.input_is_closed = closed.input;
    return work(Manifest::open(options.artifacts, options.benchmark), options);
  } catch (const std::bad_alloc&) {
    message = "there is not enough memory";
  } catch (const std::length_error&) {
    message = "there is not enough memory";
  } catch (const std::exception& error) {
    message = detail::printable(error.what());
  } catch (...) {
    message = "an unknown failure";
  }
  std::fprintf(stderr, "%s: error: %s\n", program_name(argc, argv).c_str(), message.c_str());
  return user_error;
}

}  // namespace anb::cli

#endif  // ANB_CLI_HPP
