// The integer sums of the tables, unrolled for one search space. No dependencies; C++17.
#ifndef ANB_UNROLLED_HPP
#define ANB_UNROLLED_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "anb_arithmetic.hpp"

namespace anb::detail {

inline bool is_little_endian() {
  const std::uint32_t one = 1;
  std::uint8_t first = 0;
  std::memcpy(&first, &one, 1);
  return first == 1;
}

// The integer sums for one search space, with everything about its tables known to the compiler.
//
// Conditions, which `fits` checks: the terms are all pairs in lexicographic order; four genes per
// block, as one 32-bit word of codes; and in all pairs, the block with fewer symbols has equally many,
// which is the width of all tables.
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

  static bool fits(const SearchSpace& space, const Terms& terms) {
    if (!is_little_endian() || space.blocks().size() != n_blocks) return false;
    if (!(terms == Terms::pairs(space))) return false;
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
    // Symbols as what their rows and columns mean in all tables: an address, and a distance.
    alignas(64) std::uintptr_t rows[n_words];
    const auto first = reinterpret_cast<std::uintptr_t>(entries);
    alignas(64) std::uint32_t columns[n_words];
    std::uint32_t seen = 0;
    for (std::size_t i = 0; i < n_words; ++i) {
      std::uint32_t word;
      std::memcpy(&word, codes + 4 * i, 4);
      seen |= word | (word + lifts[i]);
      const std::uint32_t symbol = (word * factors[i]) >> 24;
      rows[i] = first + symbol * (4 * M * width);
      columns[i] = symbol * (4 * M);
    }
    if (seen & 0x80808080u) return false;  // before any address is followed
    for (std::size_t r = 0; r < step_rows; ++r) {
      add_pairs<M>(rows + r * n_blocks, columns + r * n_blocks, totals + r * M,
                   std::make_integer_sequence<int, n_pairs>());
    }
    return true;
  }

 private:
  template <int M, int pair>
  static ANB_INLINE void add_pair(const std::uintptr_t* rows, const std::uint32_t* columns,
                                  std::int32_t* total) {
    constexpr Place here = place(pair);
    const auto* entry = reinterpret_cast<const std::int32_t*>(
        rows[here.row] + here.offset * (4 * M) + columns[here.column]);
    for (int m = 0; m < M; ++m) total[m] += entry[m];
  }

  template <int M, int... Pairs>
  static ANB_INLINE void add_pairs(const std::uintptr_t* rows, const std::uint32_t* columns,
                                   std::int32_t* totals, std::integer_sequence<int, Pairs...>) {
    std::int32_t total[M] = {};
    (add_pair<M, Pairs>(rows, columns, total), ...);
    for (int m = 0; m < M; ++m) totals[m] = total[m];
  }
};

using UnrolledMnasNet = UnrolledSpace<36, 36, 36, 36, 36, 48, 36>;

}  // namespace anb::detail

#endif  // ANB_UNROLLED_HPP
