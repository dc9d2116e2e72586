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
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace anb {
namespace detail {

// The number of bytes of the UTF-8 character at a place (RFC 3629), or 0 if there is none.
inline std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return at < text.size() ? 1 : 0;
  const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 :
                             first < 0xF5 ? 4 : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Longer than needed, half of a surrogate pair, or beyond the last character.
  const bool wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                     (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return wrong ? 0 : length;
}

// Text that may be shown to a person: in one line, without what would control a terminal or turn
// the direction of reading, and without what is no UTF-8. These bytes are shown as \xNN.
inline std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const bool control = length == 1 ? byte(0) < 0x20 || byte(0) == 0x7F
                                     : length == 2 && byte(0) == 0xC2 && byte(1) < 0xA0;
    const bool turns = length == 3 && byte(0) == 0xE2 &&
                       ((byte(1) == 0x80 && byte(2) >= 0x8B && byte(2) <= 0xAF) ||
                        (byte(1) == 0x81 && byte(2) >= 0xA0 && byte(2) <= 0xAF));
    const std::size_t step = std::max<std::size_t>(length, 1);
    if (length > 0 && !control && !turns) {
      shown += text.substr(at, step);
    } else {
      for (std::size_t i = 0; i < step; ++i) {
        shown += {'\\', 'x', "0123456789abcdef"[byte(i) >> 4], "0123456789abcdef"[byte(i) & 15]};
      }
    }
    at += step;
  }
  return shown;
}

// The beginning of a text that may be long.
inline std::string excerpt(std::string_view text, std::size_t most = 60) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return std::string(text.substr(0, most)) + "...";
}

}  // namespace detail

// Every error of these headers; the message, one printable line, names what is wrong and what is
// allowed.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(detail::printable(message)) {}
};

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

// An architecture as the reference writes it: four lists of one value per block.
struct Lists {
  std::vector<int> expansion, kernel, layers, se;  // se: 1 or 0
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

  Codes codes_of_lists(const Lists& lists) const {
    const std::pair<const char*, const std::vector<int>*> parts[] = {
        {"expansion", &lists.expansion}, {"kernel", &lists.kernel},
        {"layers", &lists.layers},       {"se", &lists.se}};
    const char* const suffixes[] = {"_e", "_k", "_l", "_se"};
    std::map<std::string, int> values;
    for (int part = 0; part < 4; ++part) {
      const auto& [name, list] = parts[part];
      if (list->size() != blocks_.size()) {
        throw Error(std::string(name) + " takes " + std::to_string(blocks_.size()) +
                    " values, one per block, not " + std::to_string(list->size()));
      }
      for (std::size_t block = 0; block < blocks_.size(); ++block) {
        values[blocks_[block].name + suffixes[part]] = (*list)[block];
      }
    }
    return codes_of_values(values);
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

// The space of Accel-NASBench, for programs that read no manifest.
inline SearchSpace mnasnet() {
  std::vector<Block> blocks;
  for (int number = 0; number < 7; ++number) {
    const std::string name = "block" + std::to_string(number);
    std::vector<int> layers = {1, 2, 3};
    if (number == 5) layers.push_back(4);
    blocks.push_back({name,
                      {{name + "_e", {1, 4, 6}, false},
                       {name + "_k", {3, 5}, false},
                       {name + "_l", layers, false},
                       {name + "_se", {1, 0}, true}}});
  }
  return SearchSpace("mnasnet", std::move(blocks));
}

inline Lists efficientnet_b0() {
  return {{1, 6, 6, 6, 6, 6, 6},
          {3, 3, 5, 3, 5, 5, 3},
          {1, 2, 2, 3, 3, 4, 1},
          {1, 1, 1, 1, 1, 1, 1}};
}

}  // namespace anb

#endif  // ANB_ENCODER_HPP
