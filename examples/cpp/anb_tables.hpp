// Predictions straight from the integer tables inside an ONNX file: no runtime, the same bits.
// No dependencies; C++17. For the flags to compile with see anb_arithmetic.hpp.
#ifndef ANB_TABLES_HPP
#define ANB_TABLES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "anb_arithmetic.hpp"
#include "anb_manifest.hpp"
#include "anb_onnx_file.hpp"
#include "anb_sums.hpp"
#include "anb_unrolled.hpp"

namespace anb {
namespace detail {

// Copies bytes that another thread may write to meanwhile: what is checked in the copy is what is
// used of it, as the compiler cannot know that it still equals the original and read that again.
inline void copy_once(std::uint8_t* to, const std::uint8_t* from, std::size_t n) {
#if defined(__GNUC__)
  std::memcpy(to, from, n);
  __asm__ __volatile__("" : : "r"(to) : "memory");
#else
  const volatile std::uint8_t* source = from;
  for (std::size_t i = 0; i < n; ++i) to[i] = source[i];
#endif
}

struct alignas(64) CacheLine {
  std::int32_t values[16];
};

}  // namespace detail

// One target's surrogate. Immutable once made: any number of threads may call `predict` at once,
// each with its own range of rows.
class Surrogate {
 public:
  // Opens a target of a folder of artifacts; checks sizes, bounds and the file's SHA-256.
  Surrogate(const Manifest& manifest, const std::string& target)
      : Surrogate(manifest.space(), manifest.find(target),
                  manifest.read_listed(manifest.find(target))) {}

  // From a file's content, whose SHA-256 the caller vouches for.
  Surrogate(const SearchSpace& space, const Target& target, const Bytes& onnx)
      : space_(space), target_(target) {
    if (detail::fuses_products()) {
      throw Error("this program was compiled to fuse products with sums, which changes "
                  "predictions: compile it with -ffp-contract=off");
    }
    if (!target.tables || !target.terms || !target.link) {
      throw Error("target " + target.name + ", of the form '" + target.form +
                  "', has no tables: it needs an ONNX runtime");
    }
    check_file(space, target, onnx);
    if (Unrolled::fits(space, *target.terms) && has_own_code(n_members())) {
      unrolled_.emplace_back(space);
    } else {
      any_.emplace(space, *target.terms);
    }
    read_entries(onnx);
  }

  static std::string engine() { return "standalone"; }

  const SearchSpace& space() const { return space_; }
  const Target& target() const { return target_; }
  std::size_t n_genes() const { return space_.genes().size(); }
  std::size_t n_members() const { return target_.members; }

  // Predicts n architectures: codes[n * n_genes] -> mean[n], std[n] and, unless it is null,
  // members[n * n_members], in the target's unit. Throws if a code is out of range; the outputs
  // have no meaning then.
  void predict(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
               float* members = nullptr) const {
    target_.link->regime ? choose<true>(codes, n, mean, std, members)
                         : choose<false>(codes, n, mean, std, members);
  }

  struct Prediction {
    float mean = 0, std = 0;
    std::vector<float> members;
  };

  // Predicts one architecture.
  Prediction predict(const Codes& codes) const {
    space_.check_codes(codes);
    Prediction prediction{0, 0, std::vector<float>(n_members())};
    predict(codes.data(), 1, &prediction.mean, &prediction.std, prediction.members.data());
    return prediction;
  }

 private:
  using Unrolled = detail::UnrolledMnasNet;

  // Copies the tables, checked before, to memory of their own, aligned to cache lines. The unrolled
  // sums have those turned where block b of a pair has more symbols than a, so that the wider block
  // numbers the rows.
  void read_entries(const Bytes& onnx) {
    const std::size_t m_count = n_members();
    const std::uint8_t* bytes = onnx.data() + target_.tables->offset;
    memory_.resize((static_cast<std::size_t>(target_.tables->entries) * m_count + 15) / 16);
    std::int32_t* const entries = &memory_[0].values[0];
    for (const Term& term : target_.terms->list()) {
      const std::size_t columns = term.strides[0], rows = term.entries / columns;
      const bool turned = !unrolled_.empty() && rows < columns;
      for (std::size_t number = 0; number < term.entries; ++number) {
        const std::size_t place =
            turned ? number % columns * rows + number / columns : number;
        std::int32_t* const entry = entries + (term.offset + place) * m_count;
        for (std::size_t m = 0; m < m_count; ++m, bytes += 4) {
          const std::uint32_t word = detail::read_word(bytes);
          std::memcpy(&entry[m], &word, 4);
        }
      }
    }
  }

  // Whether there is code for just that number of members, as `choose` has.
  static bool has_own_code(std::size_t n_members) { return n_members <= 8 || n_members == 16; }

  // Runs the code for the number of members and, if R, for a regime.
  template <bool R>
  void choose(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
              float* members) const {
    if (!unrolled_.empty()) {
      switch (n_members()) {
        case 1: return run<1, R>(codes, n, mean, std, members);
        case 2: return run<2, R>(codes, n, mean, std, members);
        case 3: return run<3, R>(codes, n, mean, std, members);
        case 4: return run<4, R>(codes, n, mean, std, members);
        case 5: return run<5, R>(codes, n, mean, std, members);
        case 6: return run<6, R>(codes, n, mean, std, members);
        case 7: return run<7, R>(codes, n, mean, std, members);
        case 8: return run<8, R>(codes, n, mean, std, members);
        case 16: return run<16, R>(codes, n, mean, std, members);
      }
    }
    run<0, R>(codes, n, mean, std, members);
  }

  template <int M, bool R>
  void run(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
           float* members) const {
    constexpr std::size_t rows = detail::step_rows;
    const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members();
    const std::size_t genes = n_genes();
    detail::Scratch<M> scratch(m_count);
    // The codes of a step, read once. Rows that are not there are zeros, which are in range.
    std::vector<std::uint8_t> own(rows * genes);
    const auto step = [&](std::size_t first, std::size_t valid, float* mean_here, float* std_here,
                          float* members_here) {
      detail::copy_once(own.data(), codes + first * genes, valid * genes);
      if (!sum<M>(own.data(), &scratch.totals[0])) {
        space_.check(own.data(), valid, first);
        throw Error("a code is out of range");
      }
      if constexpr (R) mark_inside(own.data(), &scratch.inside[0]);
      detail::finish<M, R>(scratch, m_count, *target_.link, *target_.tables, mean_here, std_here,
                           members_here);
    };
    std::size_t row = 0;
    for (; n - row >= rows; row += rows) {
      // The lookups keep the processor from running ahead to the codes of the next steps.
      if (n - row >= 3 * rows) {
        const std::uint8_t* ahead = codes + (row + 2 * rows) * genes;
        for (std::size_t byte = 0; byte < rows * genes; byte += 64) ANB_PREFETCH(ahead + byte);
      }
      step(row, rows, mean + row, std + row, members ? members + row * m_count : nullptr);
    }
    if (row == n) return;
    const std::size_t left = n - row;
    std::vector<float> spare((2 + m_count) * rows);
    std::fill(own.begin(), own.end(), std::uint8_t{0});
    float* const spare_members = members ? spare.data() + 2 * rows : nullptr;
    step(row, left, spare.data(), spare.data() + rows, spare_members);
    std::memcpy(mean + row, spare.data(), left * sizeof(float));
    std::memcpy(std + row, spare.data() + rows, left * sizeof(float));
    if (members) {
      std::memcpy(members + row * m_count, spare_members, left * m_count * sizeof(float));
    }
  }

  // Says which rows of a step, whose codes are in range, are inside the link's regime.
  void mark_inside(const std::uint8_t* codes, std::int64_t* inside) const {
    const Regime& regime = *target_.link->regime;
    const std::uint8_t* of_code = regime.inside.data();
    const std::size_t genes = n_genes();
    codes += regime.gene;
    for (std::size_t r = 0; r < detail::step_rows; ++r) inside[r] = of_code[codes[r * genes]];
  }

  template <int M>
  ANB_INLINE bool sum(const std::uint8_t* codes, std::int32_t* totals) const {
    const std::int32_t* entries = &memory_[0].values[0];
    if constexpr (M > 0) {
      return unrolled_[0].template sum<M>(codes, entries, totals);
    } else {
      return any_->sum(codes, entries, n_members(), totals);
    }
  }

  SearchSpace space_;
  Target target_;
  std::vector<Unrolled> unrolled_;      // one, where it fits space, terms and members
  std::optional<detail::AnySums> any_;  // where it does not
  std::vector<detail::CacheLine> memory_;
};

}  // namespace anb

#endif  // ANB_TABLES_HPP
