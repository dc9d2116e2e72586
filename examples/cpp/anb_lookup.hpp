// The arithmetic of the tables: integer sums over pairs of blocks, and float64 steps after them.
// No dependencies; C++17.
//
// Compile with -ffp-contract=off (or its like): the contract demands that a product is rounded
// before it is added to. `Surrogate` refuses to work in a program that was compiled otherwise.
// -O3 -fno-math-errno lets compilers vectorise; -march=native helps more; no bit depends on these.
#ifndef ANB_LOOKUP_HPP
#define ANB_LOOKUP_HPP

#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "anb_manifest.hpp"

#if defined(__FAST_MATH__)
#error "-ffast-math changes predictions: compile without it"
#endif
#if FLT_EVAL_METHOD != 0
#error "float64 arithmetic must be that of IEEE 754: compile for SSE2 rather than x87"
#endif

#if defined(__GNUC__)
#define ANB_INLINE __attribute__((always_inline)) inline
#elif defined(_MSC_VER)
#define ANB_INLINE __forceinline
#else
#define ANB_INLINE inline
#endif

namespace anb {
namespace detail {

// Rows per step: enough for vectors, and few enough that the processor overlaps the lookups of a
// step with the arithmetic of the one before (measured; 8 and 32 are slower).
inline constexpr std::size_t step_rows = 16;

// Whether this program was compiled to fuse a product with a sum into one rounding.
inline bool fuses_products() {
  volatile double near_one = 1.0 + DBL_EPSILON;
  const double x = near_one, rounded = 1.0 + 2 * DBL_EPSILON;
  return x * x - rounded != 0;  // the product's last bit, which only rounding removes
}

inline bool is_little_endian() {
  const std::uint32_t one = 1;
  std::uint8_t first = 0;
  std::memcpy(&first, &one, 1);
  return first == 1;
}

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

// What follows the integer sums of a step, vectorised over its rows. With M = 0 the number of
// members is known at run time only. `y` has room for members * step_rows.
template <int M>
ANB_INLINE void finish(const std::int32_t* totals, double* y, std::size_t n_members,
                       const Link& link, const Tables& tables, float* mean, float* std,
                       float* members) {
  const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members;
  const std::size_t n = m_count * step_rows;
  const double scale = tables.scale, shift = tables.shift, offset = link.offset;
  for (std::size_t m = 0; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) {
      y[m * step_rows + r] = totals[r * m_count + m] * scale + shift;
    }
  }
  auto hinge = link.hinges.begin();
  for (const Step step : link.inverse) {
    switch (step) {
      case Step::square:
        for (std::size_t i = 0; i < n; ++i) y[i] = y[i] * y[i];
        break;
      case Step::sqrt:
        for (std::size_t i = 0; i < n; ++i) y[i] = std::sqrt(y[i]);
        break;
      case Step::reciprocal:
        for (std::size_t i = 0; i < n; ++i) y[i] = 1.0 / y[i];
        break;
      case Step::reflect:
        for (std::size_t i = 0; i < n; ++i) y[i] = offset - y[i];
        break;
      case Step::hinge: {
        const auto [knot, change] = *hinge++;
        for (std::size_t i = 0; i < n; ++i) {
          const double above = y[i] - knot;
          y[i] += (above > 0 ? above : 0.0) * change;
        }
        break;
      }
    }
  }
  // From the first member to the last: addition rounds, so its order is part of the contract.
  const double count = static_cast<double>(m_count);
  alignas(64) double centre[step_rows];
  alignas(64) double squares[step_rows];
  for (std::size_t r = 0; r < step_rows; ++r) centre[r] = y[r];
  for (std::size_t m = 1; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) centre[r] += y[m * step_rows + r];
  }
  for (std::size_t r = 0; r < step_rows; ++r) {
    centre[r] /= count;
    squares[r] = 0;
  }
  for (std::size_t m = 0; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) {
      const double deviation = y[m * step_rows + r] - centre[r];
      squares[r] += deviation * deviation;
    }
  }
  for (std::size_t r = 0; r < step_rows; ++r) mean[r] = static_cast<float>(centre[r]);
  for (std::size_t r = 0; r < step_rows; ++r) {
    std[r] = static_cast<float>(std::sqrt(squares[r] / count));
  }
  if (!members) return;
  for (std::size_t r = 0; r < step_rows; ++r) {
    for (std::size_t m = 0; m < m_count; ++m) {
      members[r * m_count + m] = static_cast<float>(y[m * step_rows + r]);
    }
  }
}

// The integer sums for one search space, with everything about its tables known to the compiler.
//
// Conditions, which `fits` checks: four genes per block, as one 32-bit word of codes; and in all
// pairs, the block with fewer symbols has equally many, which is the width of all tables.
template <int... Sizes>
struct UnrolledSpace {
  static constexpr int n_blocks = sizeof...(Sizes);
  static constexpr int n_pairs = n_blocks * (n_blocks - 1) / 2;
  static constexpr std::size_t n_words = step_rows * n_blocks;
  static constexpr std::array<int, n_blocks> sizes = {Sizes...};

  struct Place {
    int row = 0, column = 0, width = 0;
    std::size_t offset = 0;
  };

  static constexpr Place place(int wanted) {
    Place found;
    int number = 0;
    for (int a = 0; a < n_blocks; ++a) {
      for (int b = a + 1; b < n_blocks; ++b, ++number) {
        const bool wide = sizes[a] >= sizes[b];
        found.row = wide ? a : b;
        found.column = wide ? b : a;
        found.width = sizes[found.column];
        if (number == wanted) return found;
        found.offset += static_cast<std::size_t>(sizes[a]) * sizes[b];
      }
    }
    return found;
  }

  static constexpr std::uint32_t width = static_cast<std::uint32_t>(place(0).width);

  static constexpr bool equally_wide() {
    for (int pair = 0; pair < n_pairs; ++pair) {
      if (static_cast<std::uint32_t>(place(pair).width) != width) return false;
    }
    return true;
  }
  static_assert(equally_wide());

  static bool fits(const SearchSpace& space) {
    if (!is_little_endian() || space.blocks().size() != n_blocks) return false;
    for (std::size_t b = 0; b < n_blocks; ++b) {
      const Block& block = space.blocks()[b];
      if (block.genes.size() != 4 || block.size() != static_cast<std::size_t>(sizes[b]) ||
          block.size() > 256) {
        return false;
      }
      for (const Gene& gene : block.genes) {
        if (gene.choices.size() > 128) return false;
      }
    }
    return true;
  }

  // For each word of a step of rows. A word times its factor has the symbol in the highest byte:
  // the sums in the bytes below are at most 255, so none carries. A word plus its lift has 128 or
  // more in a byte exactly if a code is out of range.
  alignas(64) std::array<std::uint32_t, n_words> factors{};
  alignas(64) std::array<std::uint32_t, n_words> lifts{};

  explicit UnrolledSpace(const SearchSpace& space) {
    for (std::size_t word = 0; word < n_words; ++word) {
      std::uint32_t place_value = 1;
      for (int gene = 3; gene >= 0; --gene) {
        const auto size = static_cast<std::uint32_t>(
            space.blocks()[word % n_blocks].genes[static_cast<std::size_t>(gene)].choices.size());
        factors[word] |= place_value << (8 * (3 - gene));
        lifts[word] |= (128 - size) << (8 * gene);
        place_value *= size;
      }
    }
  }

  // Writes totals[step_rows * M] of codes[step_rows * genes]; false if a code is out of range.
  template <int M>
  ANB_INLINE bool sum(const std::uint8_t* codes, const std::int32_t* entries,
                      std::int32_t* totals) const {
    // Symbols as distances in the tables: of their column, and of their row.
    alignas(64) std::uint32_t columns[n_words];
    alignas(64) std::uint32_t rows[n_words];
    std::uint32_t seen = 0;
    for (std::size_t i = 0; i < n_words; ++i) {
      std::uint32_t word;
      std::memcpy(&word, codes + 4 * i, 4);
      seen |= word | (word + lifts[i]);
      const std::uint32_t symbol = (word * factors[i]) >> 24;
      columns[i] = symbol * M;
      rows[i] = symbol * (M * width);
    }
    if (seen & 0x80808080u) return false;  // before any address is formed from them
    for (std::size_t r = 0; r < step_rows; ++r) {
      add_pairs<M>(entries, rows + r * n_blocks, columns + r * n_blocks, totals + r * M,
                   std::make_integer_sequence<int, n_pairs>());
    }
    return true;
  }

 private:
  template <int M, int pair>
  static ANB_INLINE void add_pair(const std::int32_t* entries, const std::uint32_t* rows,
                                  const std::uint32_t* columns, std::int32_t* total) {
    constexpr Place here = place(pair);
    const std::int32_t* entry =
        entries + rows[here.row] + here.offset * M + columns[here.column];
    for (int m = 0; m < M; ++m) total[m] += entry[m];
  }

  template <int M, int... Pairs>
  static ANB_INLINE void add_pairs(const std::int32_t* entries, const std::uint32_t* rows,
                                   const std::uint32_t* columns, std::int32_t* totals,
                                   std::integer_sequence<int, Pairs...>) {
    std::int32_t total[M] = {};
    (add_pair<M, Pairs>(entries, rows, columns, total), ...);
    for (int m = 0; m < M; ++m) totals[m] = total[m];
  }
};

using UnrolledMnasNet = UnrolledSpace<36, 36, 36, 36, 36, 48, 36>;

}  // namespace detail

}  // namespace anb

#endif  // ANB_LOOKUP_HPP
