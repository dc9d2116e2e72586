// The terms of an ensemble: blocks whose symbols choose an entry of a table together. The sum of
// the entries of all terms is what an ensemble predicts. No dependencies; C++17.
#ifndef ANB_TERMS_HPP
#define ANB_TERMS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "anb_encoder.hpp"

namespace anb {

// A table: its entries are numbered by the symbols of its blocks in mixed radix, the first block
// most significant.
struct Term {
  std::vector<std::size_t> blocks;   // that increase
  std::vector<std::size_t> strides;  // how far apart in the table the next symbol of a block is
  std::size_t offset = 0, entries = 0;  // where its table begins among all entries, and its size

  bool operator==(const Term& other) const {
    return std::tie(blocks, strides, offset, entries) ==
           std::tie(other.blocks, other.strides, other.offset, other.entries);
  }
};

// Terms over a search space; their tables lie one after the other in the order of the terms.
class Terms {
 public:
  static constexpr std::size_t max_terms = 4096;
  static constexpr std::uint64_t max_entries = (std::uint64_t{1} << 31) - 1;

  // From the numbers of each term's blocks. Throws unless they are as docs/embedding.md says.
  Terms(const SearchSpace& space, std::vector<std::vector<std::size_t>> numbers) {
    if (numbers.empty() || numbers.size() > max_terms) {
      throw Error("there must be 1 to " + std::to_string(max_terms) + " terms, not " +
                  std::to_string(numbers.size()));
    }
    std::set<std::vector<std::size_t>> seen;
    for (std::vector<std::size_t>& blocks : numbers) {
      if (!seen.insert(blocks).second) fail("stands twice");
      add(space, std::move(blocks));
    }
  }

  // All pairs of blocks a < b in lexicographic order, of a space of two blocks or more.
  static Terms pairs(const SearchSpace& space) {
    std::vector<std::vector<std::size_t>> numbers;
    for (std::size_t a = 0; a < space.blocks().size(); ++a) {
      for (std::size_t b = a + 1; b < space.blocks().size(); ++b) numbers.push_back({a, b});
    }
    return Terms(space, std::move(numbers));
  }

  const std::vector<Term>& list() const { return list_; }
  std::size_t entries() const { return list_.back().offset + list_.back().entries; }

  bool operator==(const Terms& other) const { return list_ == other.list_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("term " + std::to_string(list_.size()) + " (from 0) " + what);
  }

  void add(const SearchSpace& space, std::vector<std::size_t> blocks) {
    const std::size_t n_blocks = space.blocks().size();
    if (blocks.empty() || blocks.back() >= n_blocks ||
        std::adjacent_find(blocks.begin(), blocks.end(), std::greater_equal<>()) != blocks.end()) {
      fail("must be one or more numbers of blocks that increase, from 0 to " +
           std::to_string(n_blocks - 1));
    }
    Term term{std::move(blocks), {}, list_.empty() ? 0 : entries(), 0};
    std::uint64_t product = 1;  // below 2^63 here: a block has at most 2^32 symbols
    for (std::size_t i = term.blocks.size(); i-- > 0;) {
      term.strides.insert(term.strides.begin(), static_cast<std::size_t>(product));
      product *= space.blocks()[term.blocks[i]].size();
      if (product > max_entries - term.offset) {
        fail("leads to more than " + std::to_string(max_entries) + " entries");
      }
    }
    term.entries = static_cast<std::size_t>(product);
    list_.push_back(std::move(term));
  }

  std::vector<Term> list_;
};

}  // namespace anb

#endif  // ANB_TERMS_HPP
