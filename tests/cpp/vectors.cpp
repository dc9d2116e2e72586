// Prints what the C++ client says of an artifact of several outputs, as bits in hexadecimal:
//
//   vectors FOLDER TARGET FIDELITY LEVEL RUNS < CODES
//
// CODES are rows of codes, a byte each. A line a row: mean, std and members at the fidelity, its
// interval, the interval of so many runs, and where the level is crossed; of a plain vector, mean, std and
// members of each output. All of it once more by the functions for one architecture, which must agree.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <iostream>
#include <string>
#include <vector>

#include "anb_surrogate.hpp"

namespace {

template <class Value>
std::uint64_t bits_of(Value value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

void show(float value) { std::printf("%08" PRIx64 " ", bits_of(value)); }
void show(double value) { std::printf("%016" PRIx64 " ", bits_of(value)); }

void show(const std::optional<anb::Calibration::Interval>& interval) {
  if (!interval) return void(std::printf("- "));
  show(interval->predictive_std);
  show(interval->lower);
  show(interval->upper);
}

template <class Value>
void demand_same(Value a, Value b) {
  if (bits_of(a) == bits_of(b)) return;
  std::fprintf(stderr, "WRONG: one architecture is predicted otherwise\n");
  std::abort();
}

void print(const anb::Surrogate& surrogate, const std::vector<std::uint8_t>& codes, double fidelity,
           double level, std::uint64_t runs) {
  const anb::Target& target = surrogate.target();
  const std::size_t n = codes.size() / surrogate.n_genes(), m_count = surrogate.n_members();
  const std::size_t n_outputs = surrogate.outputs().size();
  std::vector<std::vector<float>> means(n_outputs), stds(n_outputs);
  for (std::size_t k = 0; k < n_outputs; ++k) {
    means[k].resize(n);
    stds[k].resize(n);
    surrogate.outputs()[k].predict(codes.data(), n, means[k].data(), stds[k].data());
  }
  std::vector<float> full(n), full_std(n);
  surrogate.predict(codes.data(), n, full.data(), full_std.data());
  std::vector<float> mean(n), std_of(n), members(n * m_count);
  std::vector<double> crossed(n);
  if (target.curve) {
    surrogate.predict_at(codes.data(), n, fidelity, mean.data(), std_of.data(), members.data());
    surrogate.crossing(codes.data(), n, level, crossed.data());
  }
  for (std::size_t row = 0; row < n; ++row) {
    const auto first = codes.begin() + static_cast<std::ptrdiff_t>(row * surrogate.n_genes());
    const anb::Codes own(first, first + static_cast<std::ptrdiff_t>(surrogate.n_genes()));
    show(full[row]);
    for (std::size_t k = 0; k < n_outputs; ++k) {
      show(means[k][row]);
      show(stds[k][row]);
    }
    if (target.seed_noise) {
      const float noise = means[target.seed_noise->output][row];
      show(target.interval_of_seeds(full[row], full_std[row], noise, runs, 0.8));
    }
    if (target.curve) {
      show(mean[row]);
      show(std_of[row]);
      for (std::size_t m = 0; m < m_count; ++m) show(members[row * m_count + m]);
      show(target.interval_at(mean[row], std_of[row], fidelity, 0.8));
      show(crossed[row]);
      const anb::Curve curve = surrogate.curve(own);
      demand_same(curve.at(fidelity).mean, mean[row]);
      demand_same(curve.crossing(level), crossed[row]);
      demand_same(curve.mean().back(), full[row]);
      for (std::size_t i = 0; i < curve.at().size(); ++i) {
        demand_same(curve.at(curve.at()[i]).std, curve.std()[i]);
      }
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 6) throw anb::Error("vectors FOLDER TARGET FIDELITY LEVEL RUNS < CODES");
    const anb::Surrogate surrogate(anb::Manifest::open(argv[1]), argv[2]);
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    print(surrogate, {text.begin(), text.end()}, std::strtod(argv[3], nullptr),
          std::strtod(argv[4], nullptr), std::strtoull(argv[5], nullptr, 10));
    return 0;
  } catch (const anb::Error& error) {
    std::fprintf(stderr, "vectors: error: %s\n", error.what());
    return 2;
  }
}
