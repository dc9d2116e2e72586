// What the example programs do: query, verify, measure. Any class with the interface of
// `Surrogate` serves as their engine.
#ifndef ANB_COMMANDS_HPP
#define ANB_COMMANDS_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "anb_cli.hpp"
#include "anb_encoder.hpp"
#include "anb_manifest.hpp"
#include "anb_onnx_file.hpp"

namespace anb::cli {

inline const std::string& target_argument(const Manifest& manifest, const Options& options) {
  if (!options.arguments.empty()) return options.arguments[0];
  std::string names;
  for (const Target& target : manifest.targets()) names += ' ' + target.name;
  throw Error("name a target, one of:" + detail::excerpt(names, 1000));
}

// Whether an engine answers for each of several outputs, and for curves.
template <class Engine, class = void>
inline constexpr bool has_outputs = false;
template <class Engine>
inline constexpr bool
    has_outputs<Engine, std::void_t<decltype(std::declval<const Engine&>().outputs())>> = true;

// The lines of standard input, none of which may be endless.
class Lines {
 public:
  static constexpr std::size_t longest = 65536;

  // Reads the next line without its end; false if there is none.
  bool next(std::string& line) {
    line.clear();
    while (true) {
      const std::string_view ready = std::string_view(buffer_).substr(at_);
      const std::size_t end = ready.find('\n');
      line += ready.substr(0, end);
      if (line.size() > longest) {
        throw Error("line " + std::to_string(number_ + 1) + ": has more than " +
                    std::to_string(longest) + " bytes");
      }
      if (end != std::string_view::npos) {
        at_ += end + 1;
        ++number_;
        return true;
      }
      if (!fill()) {
        if (line.empty()) return false;
        ++number_;
        return true;
      }
    }
  }

  // Of the line read last, from 1.
  std::size_t number() const { return number_; }

 private:
  bool fill() {
    buffer_.resize(65536);
    at_ = 0;
    buffer_.resize(std::fread(buffer_.data(), 1, buffer_.size(), stdin));
    if (std::ferror(stdin)) {
      throw Error(std::string("standard input cannot be read (") + std::strerror(errno) + ")");
    }
    return !buffer_.empty();
  }

  std::string buffer_;
  std::size_t at_ = 0, number_ = 0;
};

// Writes predictions as tab-separated text: the mean, with what is to be believed of it. The cells of
// an interval are empty where the artifact has no calibration.
template <class Engine>
class Printer {
 public:
  Printer(const Engine& engine, const Options& options) : engine_(engine), options_(options) {
    const Target& target = engine.target();
    if constexpr (!has_outputs<Engine>) {
      if (options.fidelity || options.seeds) {
        throw Error("--fidelity and --seeds need the program anb_standalone");
      }
    } else {
      if (options.fidelity && options.seeds) throw Error("give --fidelity or --seeds, not both");
      if (options.seeds && !target.seed_noise) target.fail_fidelity("seeds");
      if (options.fidelity) target.interval_at(0, 0, *options.fidelity, options.level);
    }
    if (!interval(0, 0, 0) && options.level_is_given) {  // or the level is wrong
      throw Error("target " + target.name + " has no calibration" +
                  (options.fidelity && target.calibration ? " at this fidelity" : ""));
    }
    line_ = "mean\tstd\tpredictive_std\tlower\tupper";
    for (std::size_t m = 0; options.members && m < engine.n_members(); ++m) {
      line_ += "\tmember_" + std::to_string(m);
    }
    line_ += '\n';
  }

  void predict(const Codes& codes) {
    const std::size_t n = codes.size() / engine_.n_genes(), m_count = engine_.n_members();
    std::vector<float> mean(n), std(n), members(options_.members ? n * m_count : 0);
    std::vector<float> noise(n), noise_std(options_.seeds ? n : 0);
    float* const of_members = options_.members ? members.data() : nullptr;
    if constexpr (has_outputs<Engine>) {
      if (options_.fidelity) {
        engine_.predict_at(codes.data(), n, *options_.fidelity, mean.data(), std.data(),
                           of_members);
      } else {
        engine_.predict(codes.data(), n, mean.data(), std.data(), of_members);
      }
      if (options_.seeds) {
        engine_.outputs()[engine_.target().seed_noise->output].predict(
            codes.data(), n, noise.data(), noise_std.data());
      }
    } else {
      engine_.predict(codes.data(), n, mean.data(), std.data(), of_members);
    }
    for (std::size_t row = 0; row < n; ++row) {
      append(mean[row]);
      append(std[row]);
      if (const auto found = interval(mean[row], std[row], noise[row])) {
        for (const float value : {found->predictive_std, found->lower, found->upper}) append(value);
      } else {
        line_ += "\t\t\t";
      }
      for (std::size_t m = 0; options_.members && m < m_count; ++m) {
        append(members[row * m_count + m]);
      }
      line_.back() = '\n';
      if (line_.size() > 1 << 20) flush();
    }
    flush();
  }

  void flush() {
    write_out(line_);
    line_.clear();
  }

 private:
  std::optional<Calibration::Interval> interval(float mean, float std, float noise) const {
    const Target& target = engine_.target();
    if (options_.fidelity) {
      return target.interval_at(mean, std, *options_.fidelity, options_.level);
    }
    if (!options_.seeds) return target.interval(mean, std, options_.level);
    return target.interval_of_seeds(mean, std, noise, options_.seeds, options_.level);
  }

  void append(float value) {
    char text[32];
    std::uint32_t bits;
    std::memcpy(&bits, &value, 4);
    // Nine digits give the float32 back when they are read.
    options_.hex ? std::snprintf(text, sizeof text, "%08x\t", static_cast<unsigned>(bits))
                 : std::snprintf(text, sizeof text, "%.9g\t", static_cast<double>(value));
    line_ += text;
  }

  const Engine& engine_;
  const Options& options_;
  std::string line_;
};

template <class Engine>
int query(const Manifest& manifest, const Options& options) {
  const Engine engine(manifest, target_argument(manifest, options));
  Codes codes;
  const bool from_input = options.arguments.size() == 1 ||
                          (options.arguments.size() == 2 && options.arguments[1] == "-");
  for (std::size_t i = 1; i < options.arguments.size() && !from_input; ++i) {
    const Codes row = parse_architecture(options.arguments[i], engine.space());
    codes.insert(codes.end(), row.begin(), row.end());
  }
  Printer<Engine> printer(engine, options);
  if (!from_input) {
    printer.predict(codes);
    return ok;
  }
  if (options.input_is_closed) throw Error("standard input is closed");
  // A line at a time would be slow, everything at once might not fit.
  const std::size_t rows = std::min<std::size_t>(65536, (1 << 24) / engine.n_members());
  const std::size_t most = rows * engine.n_genes();
  Lines lines;
  std::string line;
  while (lines.next(line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      const Codes row = parse_architecture(line, engine.space());
      codes.insert(codes.end(), row.begin(), row.end());
    } catch (const Error& error) {
      throw Error("line " + std::to_string(lines.number()) + ": " + error.what());
    }
    if (codes.size() == most) {
      printer.predict(codes);
      codes.clear();
    }
  }
  printer.predict(codes);
  return ok;
}

// The golden bits of one output of a target, once their shape is right.
inline const std::uint8_t* golden_bits(const Golden& golden, const Bytes& content,
                                       const std::string& target, const std::string& name,
                                       const std::vector<std::uint64_t>& shape) {
  const GoldenArray& array = golden.find(target, name);
  const bool codes = target.empty();
  if (array.dtype != (codes ? "uint8" : "float32") || array.shape != shape) {
    throw Error("golden vectors: wrong shape of " + name + (codes ? "" : " of " + target));
  }
  return content.data() + array.offset;
}

// Compares one output of a target with its golden bits; returns what differs, or nothing.
inline std::string compare(const std::uint8_t* golden, const std::string& name,
                           const std::vector<float>& found) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::uint32_t expected = detail::read_word(golden + 4 * i);
    std::uint32_t bits;
    std::memcpy(&bits, &found[i], 4);
    if (bits != expected) {
      char text[64];
      std::snprintf(text, sizeof text, "[%zu]: expected %08x, found %08x", i,
                    static_cast<unsigned>(expected), static_cast<unsigned>(bits));
      return name + text;
    }
  }
  return "";
}

// Compares what golden vectors hold of an artifact of several outputs besides the target.
template <class Engine>
std::string compare_outputs(const Engine& engine, const Golden& golden, const Bytes& content,
                            const std::uint8_t* codes) {
  const Target& target = engine.target();
  const std::uint64_t outputs = target.outputs.size();
  if (outputs == 0) return "";
  const GoldenArray& first = golden.find(target.name, "output_means");
  const std::uint64_t n = first.shape.empty() ? 0 : first.shape[0];
  if (n > golden.n) throw Error("golden vectors: wrong shape of output_means of " + target.name);
  std::string found;
  const auto check = [&](const char* name, std::uint64_t columns, const std::vector<float>& values) {
    const std::uint8_t* bits = golden_bits(golden, content, target.name, name, {n, columns});
    if (found.empty()) found = compare(bits, name, values);
  };
  // Found before memory is taken: then the golden file holds as much.
  golden_bits(golden, content, target.name, "output_means", {n, outputs});
  std::vector<float> means(n * outputs), stds(n * outputs), mean(n), std_of(n);
  for (std::uint64_t k = 0; k < outputs; ++k) {
    engine.outputs()[k].predict(codes, n, mean.data(), std_of.data());
    for (std::uint64_t i = 0; i < n; ++i) {
      means[i * outputs + k] = mean[i];
      stds[i * outputs + k] = std_of[i];
    }
  }
  check("output_means", outputs, means);
  check("output_stds", outputs, stds);
  if (!target.curve) return found;
  const std::vector<double>& at = target.curve->at;
  const std::uint64_t knots = at.size(), gaps = knots - 1;
  golden_bits(golden, content, target.name, "curve_mean", {n, knots});
  means.resize(n * knots);
  stds.resize(n * knots);
  engine.predict_curve(codes, n, means.data(), stds.data());
  check("curve_mean", knots, means);
  check("curve_std", knots, stds);
  if (gaps == 0) return found;
  means.resize(n * gaps);
  stds.resize(n * gaps);
  for (std::uint64_t i = 0; i < gaps; ++i) {
    engine.predict_at(codes, n, at[i] + (at[i + 1] - at[i]) / 2, mean.data(), std_of.data());
    for (std::uint64_t row = 0; row < n; ++row) {
      means[row * gaps + i] = mean[row];
      stds[row * gaps + i] = std_of[row];
    }
  }
  check("between_mean", gaps, means);
  check("between_std", gaps, stds);
  return found;
}

template <class Engine>
int verify(const Manifest& manifest, const Options& options) {
  if (!manifest.golden()) throw Error("the manifest lists no golden vectors");
  const Golden& golden = *manifest.golden();
  const Bytes content = manifest.read_listed(golden);
  const std::uint64_t n = golden.n;
  const std::uint8_t* codes =
      golden_bits(golden, content, "", "architectures", {n, manifest.space().genes().size()});
  std::vector<std::string> names = options.arguments;
  if (names.empty()) {
    for (const Target& target : manifest.targets()) names.push_back(target.name);
  }
  int code = ok;
  for (const std::string& name : names) {
    const Engine engine(manifest, name);
    // Found before memory is taken for as many predictions: then the golden file holds as many.
    const std::uint64_t m_count = engine.n_members();
    const auto* mean_bits = golden_bits(golden, content, name, "mean", {n});
    const auto* std_bits = golden_bits(golden, content, name, "std", {n});
    const auto* members_bits = golden_bits(golden, content, name, "members", {n, m_count});
    std::vector<float> mean(n), std(n), members(n * m_count);
    engine.predict(codes, n, mean.data(), std.data(), members.data());
    std::string found = compare(mean_bits, "mean", mean);
    if (found.empty()) found = compare(std_bits, "std", std);
    if (found.empty()) found = compare(members_bits, "members", members);
    if constexpr (has_outputs<Engine>) {
      if (found.empty()) found = compare_outputs(engine, golden, content, codes);
    }
    if (!found.empty()) code = different;
    write_out(detail::printable(name) + "\t" + std::to_string(n) + " architectures\t" +
              (found.empty() ? "all bits equal" : "DIFFERENT: " + found) + "\n");
  }
  return code;
}

// Runs work(0), work(1), ... work(n - 1) at once; throws what one of them threw, after all ended.
template <class Work>
void run_threads(std::size_t n, const Work& work) {
  std::vector<std::exception_ptr> failures(n);
  failures.reserve(n + 1);
  const auto guarded = [&](std::size_t number) {
    try {
      work(number);
    } catch (...) {
      failures[number] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(n);
  std::exception_ptr failure;
  try {
    for (std::size_t number = 1; number < n; ++number) threads.emplace_back(guarded, number);
    guarded(0);
  } catch (const std::system_error& error) {
    failure = std::make_exception_ptr(Error(
        "thread " + std::to_string(threads.size() + 1) + " of " + std::to_string(n) +
        " cannot be started (" + error.code().message() + ")"));
  } catch (...) {
    failure = std::current_exception();
  }
  for (std::thread& thread : threads) thread.join();
  failures.push_back(failure);
  for (const std::exception_ptr& thrown : failures) {
    if (thrown) std::rethrow_exception(thrown);
  }
}

// Measures predictions per second of mean and std from codes.
template <class Engine>
int bench(const Manifest& manifest, const Options& options) {
  const Engine engine(manifest, target_argument(manifest, options));
  if (options.arguments.size() > 1) throw Error("one target is measured at a time");
  const std::size_t n = options.rows, genes = engine.n_genes(), m_count = engine.n_members();
  constexpr std::uint64_t most_bytes = std::uint64_t{4} << 30;
  const std::uint64_t bytes = n * (genes + 8 + (options.members ? 4 * m_count : 0));
  if (bytes > most_bytes) {
    throw Error("--rows " + std::to_string(n) + " takes " + std::to_string(bytes) +
                " bytes of memory, at most " + std::to_string(most_bytes) + " are allowed");
  }
  Codes codes(n * genes);
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    codes[i] = static_cast<std::uint8_t>((state >> 33) %
                                         engine.space().genes()[i % genes].choices.size());
  }
  std::vector<float> mean(n), std(n), members(options.members ? n * m_count : 0);
  const auto part = [&](std::size_t thread) {
    const std::size_t first = n * thread / options.threads;
    const std::size_t last = n * (thread + 1) / options.threads;
    float* const part_of_members = options.members ? members.data() + first * m_count : nullptr;
    engine.predict(codes.data() + first * genes, last - first, mean.data() + first,
                   std.data() + first, part_of_members);
  };
  std::vector<double> rates, cpu_rates;
  for (std::size_t repeat = 0; repeat <= options.repeats; ++repeat) {
    const std::clock_t cpu_start = std::clock();
    const auto start = std::chrono::steady_clock::now();
    run_threads(options.threads, part);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    if (repeat == 0) continue;  // the first pass touches the memory
    rates.push_back(static_cast<double>(n) / wall.count());
    cpu_rates.push_back(static_cast<double>(n) / std::max(cpu, 1e-9));
  }
  std::sort(rates.begin(), rates.end());
  std::sort(cpu_rates.begin(), cpu_rates.end());
  const auto middle = rates.size() / 2;
  const std::pair<const char*, std::string> facts[] = {
      {"engine", Engine::engine()},
      {"target", detail::printable(engine.target().name)},
      {"members", std::to_string(m_count)},
      {"outputs", options.members ? "mean, std, members" : "mean, std"},
      {"rows", std::to_string(n)},
      {"threads", std::to_string(options.threads)},
      {"best_per_second", std::to_string(std::llround(rates.back()))},
      {"median_per_second", std::to_string(std::llround(rates[middle]))},
      {"best_per_cpu_second", std::to_string(std::llround(cpu_rates.back()))},
      {"median_per_cpu_second", std::to_string(std::llround(cpu_rates[middle]))}};
  std::string text;
  for (const auto& [name, value] : facts) text += name + ("\t" + value + "\n");
  write_out(text);
  return ok;
}

}  // namespace anb::cli

#endif  // ANB_COMMANDS_HPP
