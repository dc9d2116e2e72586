// What the example programs do: query, verify, measure. Any class with the interface of
// `Surrogate` serves as their engine.
#ifndef ANB_COMMANDS_HPP
#define ANB_COMMANDS_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "anb_cli.hpp"
#include "anb_encoder.hpp"
#include "anb_manifest.hpp"

namespace anb::cli {

inline const std::string& target_argument(const Manifest& manifest, const Options& options) {
  if (!options.arguments.empty()) return options.arguments[0];
  std::string names;
  for (const Target& target : manifest.targets()) names += ' ' + target.name;
  throw Error("name a target, one of:" + names);
}

// Writes predictions as tab-separated text.
template <class Engine>
class Printer {
 public:
  Printer(const Engine& engine, const Options& options) : engine_(engine), options_(options) {
    if (options.level) {
      if (!engine.target().calibration) {
        throw Error("target " + engine.target().name + " has no calibration");
      }
      engine.target().calibration->interval(0, 0, *options.level);  // refuses a wrong level
    }
    line_ = "mean\tstd";
    if (options.level) line_ += "\tpredictive_std\tlower\tupper";
    for (std::size_t m = 0; options.members && m < engine.n_members(); ++m) {
      line_ += "\tmember_" + std::to_string(m);
    }
    line_ += '\n';
  }

  void predict(const Codes& codes) {
    const std::size_t n = codes.size() / engine_.n_genes(), m_count = engine_.n_members();
    std::vector<float> mean(n), std(n), members(options_.members ? n * m_count : 0);
    engine_.predict(codes.data(), n, mean.data(), std.data(),
                    options_.members ? members.data() : nullptr);
    for (std::size_t row = 0; row < n; ++row) {
      append(mean[row]);
      append(std[row]);
      if (options_.level) {
        const auto [scale, lower, upper] =
            engine_.target().calibration->interval(mean[row], std[row], *options_.level);
        for (const float value : {scale, lower, upper}) append(value);
      }
      for (std::size_t m = 0; options_.members && m < m_count; ++m) {
        append(members[row * m_count + m]);
      }
      line_.back() = '\n';
    }
    flush();
  }

  void flush() {
    std::fwrite(line_.data(), 1, line_.size(), stdout);
    line_.clear();
    if (std::fflush(stdout) != 0) throw Error("cannot write to standard output");
  }

 private:
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
  for (std::size_t i = 1; i < options.arguments.size(); ++i) {
    const Codes row = parse_architecture(options.arguments[i], engine.space());
    codes.insert(codes.end(), row.begin(), row.end());
  }
  Printer<Engine> printer(engine, options);
  if (options.arguments.size() > 1) {
    printer.predict(codes);
    return ok;
  }
  std::ios::sync_with_stdio(false);  // reads a file of lines several times as fast
  // A line at a time would be slow, everything at once might not fit.
  const std::size_t most = 65536 * engine.n_genes();
  std::string line;
  std::size_t number = 0;
  while (std::getline(std::cin, line)) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      const Codes row = parse_architecture(line, engine.space());
      codes.insert(codes.end(), row.begin(), row.end());
    } catch (const Error& error) {
      throw Error("line " + std::to_string(number) + ": " + error.what());
    }
    if (codes.size() == most) {
      printer.predict(codes);
      codes.clear();
    }
  }
  printer.predict(codes);
  return ok;
}

// Compares one output of a target with its golden bits; returns what differs, or nothing.
inline std::string compare(const Golden& golden, const Bytes& content, const std::string& target,
                           const std::string& name, const std::vector<float>& found) {
  const GoldenArray& array = golden.find(target, name);
  std::uint64_t size = array.dtype == "float32";
  for (const std::uint64_t length : array.shape) size *= length;
  if (size != found.size()) throw Error("golden vectors: wrong shape of " + name + " of " + target);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::uint8_t* bytes = content.data() + array.offset + 4 * i;
    const std::uint32_t expected = std::uint32_t{bytes[0]} | std::uint32_t{bytes[1]} << 8 |
                                   std::uint32_t{bytes[2]} << 16 | std::uint32_t{bytes[3]} << 24;
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

template <class Engine>
int verify(const Manifest& manifest, const Options& options) {
  if (!manifest.golden()) throw Error("the manifest lists no golden vectors");
  const Golden& golden = *manifest.golden();
  const Bytes content = manifest.read_listed(golden);
  const GoldenArray& codes = golden.find("", "architectures");
  const std::size_t genes = manifest.space().genes().size();
  if (codes.dtype != "uint8" || codes.shape != std::vector<std::uint64_t>{golden.n, genes}) {
    throw Error("golden vectors: wrong shape of architectures");
  }
  std::vector<std::string> names = options.arguments;
  if (names.empty()) {
    for (const Target& target : manifest.targets()) names.push_back(target.name);
  }
  int code = ok;
  for (const std::string& name : names) {
    const Engine engine(manifest, name);
    std::vector<float> mean(golden.n), std(golden.n), members(golden.n * engine.n_members());
    engine.predict(content.data() + codes.offset, golden.n, mean.data(), std.data(),
                   members.data());
    std::string found = compare(golden, content, name, "mean", mean);
    if (found.empty()) found = compare(golden, content, name, "std", std);
    if (found.empty()) found = compare(golden, content, name, "members", members);
    if (!found.empty()) code = different;
    std::printf("%s\t%llu architectures\t%s\n", name.c_str(),
                static_cast<unsigned long long>(golden.n),
                found.empty() ? "all bits equal" : ("DIFFERENT: " + found).c_str());
  }
  return code;
}

// Measures predictions per second of mean and std from codes.
template <class Engine>
int bench(const Manifest& manifest, const Options& options) {
  const Engine engine(manifest, target_argument(manifest, options));
  if (options.arguments.size() > 1) throw Error("one target is measured at a time");
  const std::size_t n = options.rows, genes = engine.n_genes(), m_count = engine.n_members();
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
    std::vector<std::thread> threads;
    for (std::size_t thread = 1; thread < options.threads; ++thread) {
      threads.emplace_back(part, thread);
    }
    part(0);
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    if (repeat == 0) continue;  // the first pass touches the memory
    rates.push_back(static_cast<double>(n) / wall.count());
    cpu_rates.push_back(static_cast<double>(n) / std::max(cpu, 1e-9));
  }
  std::sort(rates.begin(), rates.end());
  std::sort(cpu_rates.begin(), cpu_rates.end());
  std::printf("engine\t%s\ntarget\t%s\nmembers\t%zu\noutputs\t%s\nrows\t%zu\nthreads\t%zu\n",
              Engine::engine().c_str(), engine.target().name.c_str(), m_count,
              options.members ? "mean, std, members" : "mean, std", n, options.threads);
  std::printf("best_per_second\t%.0f\nmedian_per_second\t%.0f\n", rates.back(),
              rates[rates.size() / 2]);
  std::printf("best_per_cpu_second\t%.0f\nmedian_per_cpu_second\t%.0f\n", cpu_rates.back(),
              cpu_rates[cpu_rates.size() / 2]);
  return ok;
}

}  // namespace anb::cli

#endif  // ANB_COMMANDS_HPP
