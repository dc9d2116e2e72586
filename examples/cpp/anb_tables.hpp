// Predictions straight from the integer tables inside an ONNX file: no runtime, the same bits.
// No dependencies; C++17. For the flags to compile with see anb_arithmetic.hpp.
#ifndef ANB_TABLES_HPP
#define ANB_TABLES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "anb_arithmetic.hpp"
#include "anb_manifest.hpp"
#include "anb_unrolled.hpp"

namespace anb {
namespace detail {

// Pairs of blocks a < b in lexicographic order, each with its table's place.
struct Pair {
  std::size_t a, b;
  std::size_t offset;  // in entries
};

inline std::vector<Pair> pairs_of(const SearchSpace& space, std::size_t& n_entries) {
  const std::vector<Block>& blocks = space.blocks();
  std::vector<Pair> pairs;
  n_entries = 0;
  for (std::size_t a = 0; a < blocks.size(); ++a) {
    for (std::size_t b = a + 1; b < blocks.size(); ++b) {
      pairs.push_back({a, b, n_entries});
      n_entries += blocks[a].size() * blocks[b].size();
    }
  }
  return pairs;
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

  // From a file's content, which the caller vouches for.
  Surrogate(const SearchSpace& space, const Target& target, const Bytes& onnx)
      : space_(space), target_(target), unrolled_(unrolled_for(space)) {
    if (detail::fuses_products()) {
      throw Error("this program was compiled to fuse products with sums, which changes "
                  "predictions: compile it with -ffp-contract=off");
    }
    if (!target.tables || !target.link) {
      throw Error("target " + target.name + ", of the form '" + target.form +
                  "', has no tables: it needs an ONNX runtime");
    }
    std::size_t n_entries = 0;
    pairs_ = detail::pairs_of(space, n_entries);
    if (target.tables->entries != n_entries) {
      throw Error("tables of search space " + space.name() + " have " +
                  std::to_string(n_entries) + " entries, target " + target.name + " has " +
                  std::to_string(target.tables->entries));
    }
    read_entries(onnx, n_entries);
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

  // The unrolled sums, or nothing where they do not fit the space.
  static std::vector<Unrolled> unrolled_for(const SearchSpace& space) {
    std::vector<Unrolled> unrolled;
    if (Unrolled::fits(space)) unrolled.emplace_back(space);
    return unrolled;
  }

  // Copies the tables to memory of their own, aligned to cache lines. Where block b of a pair has
  // more symbols than a, the table is turned, so that the wider block numbers the rows.
  void read_entries(const Bytes& onnx, std::size_t n_entries) {
    const std::size_t m_count = n_members();
    const std::uint64_t offset = target_.tables->offset, size = 4 * n_entries * m_count;
    if (offset > onnx.size() || size > onnx.size() - offset) {
      throw Error("the tables of target " + target_.name + " end at byte " +
                  std::to_string(offset + size) + " of a file of " + std::to_string(onnx.size()));
    }
    const std::uint8_t* bytes = onnx.data() + offset;
    memory_.resize((n_entries * m_count + 15) / 16);
    std::int32_t* entries = &memory_[0].values[0];
    std::vector<std::int64_t> largest(m_count);
    for (const detail::Pair& pair : pairs_) {
      const std::size_t n_a = space_.blocks()[pair.a].size(), n_b = space_.blocks()[pair.b].size();
      std::vector<std::int64_t> of_pair(m_count);
      for (std::size_t a = 0; a < n_a; ++a) {
        for (std::size_t b = 0; b < n_b; ++b) {
          std::int32_t* entry =
              entries + (pair.offset + (n_a >= n_b ? a * n_b + b : b * n_a + a)) * m_count;
          for (std::size_t m = 0; m < m_count; ++m, bytes += 4) {
            const std::uint32_t word = std::uint32_t{bytes[0]} | std::uint32_t{bytes[1]} << 8 |
                                       std::uint32_t{bytes[2]} << 16 |
                                       std::uint32_t{bytes[3]} << 24;
            std::memcpy(&entry[m], &word, 4);
            const std::int64_t value = entry[m];
            of_pair[m] = std::max(of_pair[m], value < 0 ? -value : value);
          }
        }
      }
      for (std::size_t m = 0; m < m_count; ++m) largest[m] += of_pair[m];
    }
    for (const std::int64_t bound : largest) {
      if (bound > INT32_MAX) {
        throw Error("sums of the tables of target " + target_.name + " do not fit 32 bits");
      }
    }
  }

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
    const auto step = [&](const std::uint8_t* here, std::size_t first, std::size_t valid,
                          float* mean_here, float* std_here, float* members_here) {
      if (!sum<M>(here, &scratch.totals[0])) space_.check(codes + first * genes, valid, first);
      if constexpr (R) mark_inside(here, &scratch.inside[0]);
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
      step(codes + row * genes, row, rows, mean + row, std + row,
           members ? members + row * m_count : nullptr);
    }
    if (row == n) return;
    // The last rows, filled up with zeros, which are always in range.
    const std::size_t left = n - row;
    std::vector<std::uint8_t> spare_codes(rows * genes);
    std::vector<float> spare((2 + m_count) * rows);
    std::memcpy(spare_codes.data(), codes + row * genes, left * genes);
    float* const spare_members = members ? spare.data() + 2 * rows : nullptr;
    step(spare_codes.data(), row, left, spare.data(), spare.data() + rows, spare_members);
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
      return sum_any(codes, entries, totals);
    }
  }

  // The sums for any search space and any number of members.
  bool sum_any(const std::uint8_t* codes, const std::int32_t* entries,
               std::int32_t* totals) const {
    const std::vector<Block>& blocks = space_.blocks();
    const std::size_t m_count = n_members();
    std::vector<std::size_t> symbols(blocks.size());
    for (std::size_t r = 0; r < detail::step_rows; ++r, totals += m_count) {
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        symbols[b] = 0;
        for (const Gene& gene : blocks[b].genes) {
          const std::size_t code = *codes++, size = gene.choices.size();
          if (code >= size) return false;
          symbols[b] = symbols[b] * size + code;
        }
      }
      for (std::size_t m = 0; m < m_count; ++m) totals[m] = 0;
      for (const detail::Pair& pair : pairs_) {
        const std::size_t n_a = blocks[pair.a].size(), n_b = blocks[pair.b].size();
        const std::size_t a = symbols[pair.a], b = symbols[pair.b];
        const std::int32_t* entry =
            entries + (pair.offset + (n_a >= n_b ? a * n_b + b : b * n_a + a)) * m_count;
        for (std::size_t m = 0; m < m_count; ++m) totals[m] += entry[m];
      }
    }
    return true;
  }

  SearchSpace space_;
  Target target_;
  std::vector<Unrolled> unrolled_;
  std::vector<detail::Pair> pairs_;
  std::vector<detail::CacheLine> memory_;
};

}  // namespace anb

#endif  // ANB_TABLES_HPP
