// The search space, and architectures as codes and indices. No dependencies; C++17.
//
// An architecture is one code per gene: the index of the gene's value among its choices. Its index
// is the codes in mixed radix, first gene most significant. See docs/embedding.md.
#ifndef ANB_ENCODER_HPP
#define ANB_ENCODER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "anb_error.hpp"

namespace anb {

using Codes = std::vector<std::uint8_t>;

struct Gene {
  std::string name;
  std::vector<int> choices;  // booleans as 1 and 0
  bool boolean = false;

  std::string show(int value) const {
    return boolean && (value == 0 || value == 1) ? (value ? "true" : "false")
                                                 : std::to_string(value);
  }

  std::uint8_t code_of(int value) const {
    const auto found = std::find(choices.begin(), choices.end(), value);
    if (found == choices.end()) {
      std::string allowed;
      for (const int choice : choices) allowed += (allowed.empty() ? "" : ", ") + show(choice);
      throw Error("gene " + name + ": " + show(value) + " is not one of " + allowed);
    }
    return static_cast<std::uint8_t>(found - choices.begin());
  }

  bool operator==(const Gene& other) const {
    return std::tie(name, choices, boolean) == std::tie(other.name, other.choices, other.boolean);
  }
};

struct Block {
  std::string name;
  std::vector<Gene> genes;

  // Number of symbols, that is of combinations of choices.
  std::size_t size() const {
    std::size_t product = 1;
    for (const Gene& gene : genes) product *= gene.choices.size();
    return product;
  }

  bool operator==(const Block& other) const {
    return name == other.name && genes == other.genes;
  }
};

class SearchSpace {
 public:
  // The work for pairs is the square of the blocks; messages list the genes.
  static constexpr std::size_t max_blocks = 64, max_genes = 1024;

  SearchSpace(std::string name, std::vector<Block> blocks)
      : name_(std::move(name)), blocks_(std::move(blocks)) {
    if (name_.empty()) throw Error("a search space must have a name");
    if (blocks_.empty() || blocks_.size() > max_blocks) {
      throw Error("search space " + name_ + " must have 1 to " + std::to_string(max_blocks) +
                  " blocks, has " + std::to_string(blocks_.size()));
    }
    std::set<std::string> names;
    for (const Block& block : blocks_) {
      add_name(names, block.name);
      if (block.genes.empty() || genes_.size() + block.genes.size() > max_genes) {
        throw Error("search space " + name_ + " must have 1 to " + std::to_string(max_genes) +
                    " genes, and one in each block");
      }
      std::size_t symbols = 1;
      for (const Gene& gene : block.genes) {
        if (gene.choices.empty() || gene.choices.size() > 256) {
          throw Error("gene " + gene.name + " must have 1 to 256 choices, has " +
                      std::to_string(gene.choices.size()));
        }
        if (std::set<int>(gene.choices.begin(), gene.choices.end()).size() !=
            gene.choices.size()) {
          throw Error("gene " + gene.name + " has a choice twice");
        }
        symbols *= gene.choices.size();  // at most 2^24 here, as it is bounded after each gene
        if (symbols > 65536) throw Error("block " + block.name + " has more than 65536 symbols");
        genes_.push_back(gene);
        last_.push_back(static_cast<std::uint8_t>(gene.choices.size() - 1));
      }
      if (size_ > (std::uint64_t{1} << 63) / symbols) {
        throw Error("search space " + name_ + " has more than 2^63 architectures");
      }
      size_ *= symbols;
    }
    names.clear();
    for (const Gene& gene : genes_) add_name(names, gene.name);
  }

  const std::string& name() const { return name_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  const std::vector<Gene>& genes() const { return genes_; }
  std::uint64_t size() const { return size_; }

  // Throws unless codes[n * genes] are all in range; names the first row and gene that are not.
  void check(const std::uint8_t* codes, std::size_t n, std::size_t first_row = 0) const {
    for (std::size_t row = 0; row < n; ++row, codes += genes_.size()) {
      bool bad = false;
      for (std::size_t gene = 0; gene < genes_.size(); ++gene) bad |= codes[gene] > last_[gene];
      if (!bad) continue;
      try {
        check_codes(Codes(codes, codes + genes_.size()));
      } catch (const Error& error) {
        throw Error("row " + std::to_string(first_row + row) + ", " + error.what());
      }
    }
  }

  // The same of one architecture, and of its number of codes.
  void check_codes(const Codes& codes) const {
    if (codes.size() != genes_.size()) {
      throw Error("an architecture of " + name_ + " has " + std::to_string(genes_.size()) +
                  " codes, not " + std::to_string(codes.size()));
    }
    for (std::size_t gene = 0; gene < genes_.size(); ++gene) {
      if (codes[gene] > last_[gene]) {
        throw Error("gene " + genes_[gene].name + ": code " + std::to_string(codes[gene]) +
                    " is out of range; allowed are 0 to " + std::to_string(last_[gene]));
      }
    }
  }

  Codes codes_of_index(std::uint64_t index) const {
    if (index >= size_) {
      throw Error("index " + std::to_string(index) + " is out of range; allowed are 0 to " +
                  std::to_string(size_ - 1));
    }
    Codes codes(genes_.size());
    for (std::size_t gene = genes_.size(); gene-- > 0;) {
      codes[gene] = static_cast<std::uint8_t>(index % genes_[gene].choices.size());
      index /= genes_[gene].choices.size();
    }
    return codes;
  }

  std::uint64_t index_of_codes(const Codes& codes) const {
    check_codes(codes);
    std::uint64_t index = 0;
    for (std::size_t gene = 0; gene < genes_.size(); ++gene) {
      index = index * genes_[gene].choices.size() + codes[gene];
    }
    return index;
  }

  // From the genes' values by name, all of them and no others.
  Codes codes_of_values(const std::map<std::string, int>& values) const {
    Codes codes;
    for (const Gene& gene : genes_) {
      const auto found = values.find(gene.name);
      if (found == values.end()) throw Error("gene " + gene.name + " is missing");
      codes.push_back(gene.code_of(found->second));
    }
    for (const auto& [name, value] : values) {
      const auto known = [&name = name](const Gene& gene) { return gene.name == name; };
      if (std::none_of(genes_.begin(), genes_.end(), known)) {
        throw Error("there is no gene " + name + " in search space " + name_ + " (value " +
                    std::to_string(value) + ")");
      }
    }
    return codes;
  }

  bool operator==(const SearchSpace& other) const {
    return name_ == other.name_ && blocks_ == other.blocks_;
  }

 private:
  void add_name(std::set<std::string>& names, const std::string& name) const {
    if (name.empty()) throw Error("search space " + name_ + " has a name that is empty");
    if (!names.insert(name).second) {
      throw Error("search space " + name_ + ": the name '" + detail::excerpt(name) +
                  "' is used twice");
    }
  }

  std::string name_;
  std::vector<Block> blocks_;
  std::vector<Gene> genes_;
  std::vector<std::uint8_t> last_;  // the largest code of each gene
  std::uint64_t size_ = 1;
};

}  // namespace anb

#endif  // ANB_ENCODER_HPP
