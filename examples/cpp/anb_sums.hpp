// The integer sums of the tables, for any terms over any search space. No dependencies; C++17.
#ifndef ANB_SUMS_HPP
#define ANB_SUMS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "anb_arithmetic.hpp"
#include "anb_encoder.hpp"
#include "anb_terms.hpp"

namespace anb::detail {

// Each step of the computation is taken for all rows together, so that compilers vectorise it.
class AnySums {
 public:
  AnySums(const SearchSpace& space, const Terms& terms) : n_genes_(space.genes().size()) {
    for (const Block& block : space.blocks()) {
      blocks_.emplace_back();
      for (const Gene& gene : block.genes) {
        blocks_.back().push_back(static_cast<std::uint32_t>(gene.choices.size()));
      }
    }
    for (const Term& term : terms.list()) {
      terms_.push_back({static_cast<std::uint32_t>(term.offset), {}});
      for (std::size_t i = 0; i < term.blocks.size(); ++i) {
        terms_.back().parts.push_back(
            {term.blocks[i], static_cast<std::uint32_t>(term.strides[i])});
      }
    }
  }

  // Writes totals[step_rows * m_count] of codes[step_rows * genes]; false if a code is out of range.
  bool sum(const std::uint8_t* codes, const std::int32_t* entries, std::size_t m_count,
           std::int32_t* totals) const {
    std::vector<Row> symbols(blocks_.size());
    if (!find_symbols(codes, symbols.data())) return false;  // before any entry is looked for
    std::fill(totals, totals + step_rows * m_count, 0);
    for (const Lookup& term : terms_) {
      Row index;
      for (std::uint32_t& place : index.values) place = term.offset;
      for (const auto& [block, stride] : term.parts) {
        const Row& symbol = symbols[block];
        for (std::size_t r = 0; r < step_rows; ++r) {
          index.values[r] += symbol.values[r] * stride;
        }
      }
      for (std::size_t r = 0; r < step_rows; ++r) {
        const std::int32_t* entry = entries + std::size_t{index.values[r]} * m_count;
        for (std::size_t m = 0; m < m_count; ++m) totals[r * m_count + m] += entry[m];
      }
    }
    return true;
  }

 private:
  struct alignas(64) Row {
    std::uint32_t values[step_rows] = {};
  };
  struct Part {
    std::size_t block;
    std::uint32_t stride;
  };
  struct Lookup {
    std::uint32_t offset;
    std::vector<Part> parts;
  };

  // The symbols of all blocks; false if a code is out of range, and what was found means nothing.
  bool find_symbols(const std::uint8_t* codes, Row* symbols) const {
    std::uint32_t wrong = 0;
    for (const std::vector<std::uint32_t>& sizes : blocks_) {
      Row& symbol = *symbols++;
      for (const std::uint32_t size : sizes) {
        for (std::size_t r = 0; r < step_rows; ++r) {
          const std::uint32_t code = codes[r * n_genes_];
          wrong |= code >= size;
          symbol.values[r] = symbol.values[r] * size + code;
        }
        ++codes;
      }
    }
    return !wrong;
  }

  std::size_t n_genes_;
  std::vector<std::vector<std::uint32_t>> blocks_;  // numbers of choices
  std::vector<Lookup> terms_;
};

}  // namespace anb::detail

#endif  // ANB_SUMS_HPP
