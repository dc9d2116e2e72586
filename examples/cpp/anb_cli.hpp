// The command lines of the example programs: options, streams, errors.
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
#include "anb_manifest.hpp"
#include "anb_spelling.hpp"

namespace anb::cli {

inline constexpr int ok = 0, different = 1, user_error = 2;

struct Options {
  std::filesystem::path artifacts = "artifacts";
  std::string benchmark;  // "": the only one of the folder
  std::vector<std::string> arguments;
  bool members = false, hex = false, verify = false, input_is_closed = false;
  double level = 0.9;             // of the interval
  bool level_is_given = false;
  std::optional<double> fidelity;  // of a curve
  std::size_t seeds = 0;           // runs whose mean the interval is of; 0: a new measurement
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
    } else if (word == "--fidelity") {
      const std::string text = value();
      options.fidelity = detail::parse_double(text);
      if (!options.fidelity) {
        throw Error("--fidelity takes a number as 12, not '" + detail::excerpt(text) + "'");
      }
    } else if (word == "--seeds") {
      options.seeds = parse_count(word, value(), 1'000'000'000);
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
