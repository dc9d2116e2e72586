// The search space, and architectures as codes and indices. No dependencies; C++17.
//
// An architecture is one code per gene: the index of the gene's value among its choices. Its index
// is the codes in mixed radix, first gene most significant. See docs/embedding.md.
#ifndef ANB_ENCODER_HPP
#define ANB_ENCODER_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "anb_decimals.hpp"
#include "anb_error.hpp"

namespace anb {

using Codes = std::vector<std::uint8_t>;

// A choice of a gene: an integer, a float, true or false, or a string. Values of two kinds are never
// equal.
class Value {
 public:
  enum class Kind : std::uint8_t { integer, boolean, string, real };

  template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  Value(T value)
      : kind_(std::is_same_v<T, bool> ? Kind::boolean : Kind::integer),
        number_(static_cast<std::int64_t>(value)) {
    static_assert(std::is_signed_v<T> || sizeof(T) < 8, "an integer of 64 bits has a sign");
  }
  Value(double value) : kind_(Kind::real), real_(value) {}
  Value(std::string value) : kind_(Kind::string), text_(std::move(value)) {}
  Value(const char* value) : Value(std::string(value)) {}

  Kind kind() const { return kind_; }

  std::string show() const {
    if (kind_ == Kind::string) return "'" + detail::excerpt(text_) + "'";
    if (kind_ == Kind::boolean) return number_ ? "true" : "false";
    if (kind_ == Kind::real) return detail::show_float(real_);
    return std::to_string(number_);
  }

  // An integer as the float64 nearest to it; any other value as it is.
  Value as_real() const {
    return kind_ == Kind::integer ? Value(static_cast<double>(number_)) : *this;
  }

  // Of a number that is no integer.
  double real() const { return real_; }
  const std::string& text() const { return text_; }

  bool operator==(const Value& other) const { return key() == other.key(); }
  bool operator<(const Value& other) const { return key() < other.key(); }

 private:
  std::tuple<const Kind&, const std::int64_t&, const double&, const std::string&> key() const {
    return std::tie(kind_, number_, real_, text_);
  }

  Kind kind_;
  std::int64_t number_ = 0;
  double real_ = 0;
  std::string text_;
};

struct Gene {
  std::string name;
  std::vector<Value> choices;
  bool ordered = false;  // whether the choices are a scale, in the order of their codes

  bool is_float() const { return choices[0].kind() == Value::Kind::real; }
  bool is_boolean() const { return choices[0].kind() == Value::Kind::boolean; }

  // The choices in a message.
  std::string allowed() const {
    std::string shown;
    for (const Value& choice : choices) shown += (shown.empty() ? "" : ", ") + choice.show();
    return detail::excerpt(shown, 1000);
  }

  // The code of a value, or nothing. Floats may also be integers; booleans 1 and 0, and the words of
  // JSON and Python as strings.
  std::optional<std::uint8_t> find(const Value& given) const {
    const Value value = is_float() ? given.as_real() : given;
    for (const bool boolean : {true, false}) {
      if (!is_boolean() || value.kind() == Value::Kind::boolean) break;
      const Value others[] = {boolean ? 1 : 0, boolean ? "True" : "False",
                              boolean ? "true" : "false"};
      if (std::find(std::begin(others), std::end(others), value) != std::end(others)) {
        return find(boolean);
      }
    }
    const auto found = std::find(choices.begin(), choices.end(), value);
    if (found == choices.end()) return {};
    return static_cast<std::uint8_t>(found - choices.begin());
  }

  // The code of a value; throws `Error` where there is none.
  std::uint8_t code_of(const Value& value) const {
    const std::optional<std::uint8_t> code = find(value);
    if (!code) refuse(value.show());
    return *code;
  }

  [[noreturn]] void refuse(const std::string& shown) const {
    throw Error("gene " + name + ": " + shown + " is not one of " + allowed() +
                (is_boolean() ? " (or 'True', 'False', 1, 0)" : ""));
  }

  [[noreturn]] void refuse_code(const std::string& shown) const {
    throw Error("gene " + name + ": code " + shown + " is out of range; allowed are 0 to " +
                std::to_string(choices.size() - 1) + ", which stand for " + allowed());
  }

  bool operator==(const Gene& other) const {
    return name == other.name && choices == other.choices && ordered == other.ordered;
  }
};

struct Block {
  std::string name;
  std::vector<Gene> genes;

  // Number of symbols, that is of combinations of choices.
  std::uint64_t size() const {
    std::uint64_t product = 1;
    for (const Gene& gene : genes) product *= gene.choices.size();
    return product;
  }

  bool operator==(const Block& other) const {
    return name == other.name && genes == other.genes;
  }
};

namespace detail {

// The product of numbers of at most 2^32 each, in decimal digits.
inline std::string show_product(const std::vector<std::uint64_t>& factors) {
  constexpr std::uint64_t base = 1'000'000'000;
  std::vector<std::uint64_t> parts = {1};  // the least significant first
  for (const std::uint64_t factor : factors) {
    std::uint64_t carry = 0;
    for (std::uint64_t& part : parts) {
      carry += part * factor;
      part = carry % base;
      carry /= base;
    }
    for (; carry > 0; carry /= base) parts.push_back(carry % base);
  }
  std::string text = std::to_string(parts.back());
  for (std::size_t i = parts.size() - 1; i-- > 0;) {
    text += std::to_string(base + parts[i]).substr(1);
  }
  return text;
}

}  // namespace detail

class SearchSpace {
 public:
  // Messages list genes; a symbol has 32 bits.
  static constexpr std::size_t max_blocks = 64, max_genes = 1024, max_choices = 256;
  static constexpr std::uint64_t max_symbols = std::uint64_t{1} << 32;
  // The most architectures that have indices here. Codes and values work in every space.
  static constexpr std::uint64_t max_indices = std::uint64_t{1} << 63;

  SearchSpace(std::string name, std::vector<Block> blocks)
      : name_(std::move(name)), blocks_(std::move(blocks)) {
    if (name_.empty()) throw Error("a search space must have a name");
    if (blocks_.empty() || blocks_.size() > max_blocks) {
      throw Error("search space " + name_ + " must have 1 to " + std::to_string(max_blocks) +
                  " blocks, has " + std::to_string(blocks_.size()));
    }
    std::set<std::string> names;
    std::vector<std::uint64_t> sizes;
    for (const Block& block : blocks_) {
      add_name(names, block.name);
      sizes.push_back(add_genes(block));
      has_indices_ &= size_ <= max_indices / sizes.back();
      if (has_indices_) size_ *= sizes.back();
    }
    shown_size_ = detail::show_product(sizes);
    names.clear();
    for (const Gene& gene : genes_) add_name(names, gene.name);
  }

  const std::string& name() const { return name_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  const std::vector<Gene>& genes() const { return genes_; }

  // Whether architectures have indices here, that is, whether there are at most 2^63.
  bool has_indices() const { return has_indices_; }

  // The number of architectures; throws where that is more than 2^63.
  std::uint64_t size() const {
    if (!has_indices_) {
      throw Error("search space " + name_ + " has " + detail::excerpt(shown_size_) +
                  " architectures; indices are of spaces of at most 2^63, here architectures are "
                  "codes or values");
    }
    return size_;
  }

  // The same in decimal digits, whatever it is.
  const std::string& shown_size() const { return shown_size_; }

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
      if (codes[gene] > last_[gene]) genes_[gene].refuse_code(std::to_string(codes[gene]));
    }
  }

  Codes codes_of_index(std::uint64_t index) const {
    if (!has_indices_ || index >= size_) return codes_of_digits(std::to_string(index));
    Codes codes(genes_.size());
    for (std::size_t gene = genes_.size(); gene-- > 0;) {
      codes[gene] = static_cast<std::uint8_t>(index % genes_[gene].choices.size());
      index /= genes_[gene].choices.size();
    }
    return codes;
  }

  // The same of an index of any size, in decimal digits without zeros in front.
  Codes codes_of_digits(std::string_view digits) const {
    if (std::make_pair(digits.size(), digits) >=
        std::make_pair(shown_size_.size(), std::string_view(shown_size_))) {
      const std::string shown =
          digits.size() <= 60 ? std::string(digits)
                              : std::string(digits.substr(0, 28)) + "..." +
                                    std::string(digits.substr(digits.size() - 29));
      throw Error("index " + shown + " is out of range; allowed are 0 to " + last_index());
    }
    std::string number(digits);
    Codes codes(genes_.size());
    for (std::size_t gene = genes_.size(); gene-- > 0;) {
      const auto base = static_cast<unsigned>(genes_[gene].choices.size());
      unsigned rest = 0;  // of the long division
      for (char& digit : number) {
        rest = 10 * rest + static_cast<unsigned>(digit - '0');
        digit = static_cast<char>('0' + rest / base);
        rest %= base;
      }
      codes[gene] = static_cast<std::uint8_t>(rest);
      number.erase(0, std::min(number.find_first_not_of('0'), number.size()));
    }
    return codes;
  }

  // The largest index, in decimal digits.
  std::string last_index() const {
    std::string digits = shown_size_;
    std::size_t at = digits.size() - 1;
    for (; digits[at] == '0'; --at) digits[at] = '9';
    --digits[at];
    if (digits.size() > 1 && digits[0] == '0') digits.erase(0, 1);
    return digits;
  }

  std::uint64_t index_of_codes(const Codes& codes) const {
    check_codes(codes);
    size();  // throws where there are no indices
    std::uint64_t index = 0;
    for (std::size_t gene = 0; gene < genes_.size(); ++gene) {
      index = index * genes_[gene].choices.size() + codes[gene];
    }
    return index;
  }

  // From the genes' values by name, all of them and no others.
  Codes codes_of_values(const std::map<std::string, Value>& values) const {
    std::set<std::string> names;
    for (const auto& entry : values) names.insert(entry.first);
    check_names(names);
    Codes codes;
    for (const Gene& gene : genes_) codes.push_back(gene.code_of(values.find(gene.name)->second));
    return codes;
  }

  // Throws unless names are those of all genes; says which is unknown, and which is missing.
  void check_names(const std::set<std::string>& names) const {
    std::set<std::string> unknown = names;
    const Gene* missing = nullptr;
    for (const Gene& gene : genes_) {
      if (unknown.erase(gene.name) == 0 && missing == nullptr) missing = &gene;
    }
    if (unknown.empty() && missing == nullptr) return;
    const std::string first =
        unknown.empty() ? ""
                        : "there is no gene '" + detail::excerpt(*unknown.begin()) +
                              "' in search space " + name_;
    const std::string second = missing ? "gene " + missing->name + " is missing" : "";
    throw Error(first + (first.empty() || second.empty() ? "" : ", and ") + second + "; the " +
                std::to_string(genes_.size()) + " genes are " + genes_.front().name + " ... " +
                genes_.back().name);
  }

  // From the genes' values in the order of the genes.
  Codes codes_of_row(const std::vector<Value>& values) const {
    if (values.size() != genes_.size()) {
      throw Error("an architecture of " + name_ + " has " + std::to_string(genes_.size()) +
                  " values, not " + std::to_string(values.size()));
    }
    Codes codes;
    for (std::size_t gene = 0; gene < genes_.size(); ++gene) {
      codes.push_back(genes_[gene].code_of(values[gene]));
    }
    return codes;
  }

  bool operator==(const SearchSpace& other) const {
    return name_ == other.name_ && blocks_ == other.blocks_;
  }

 private:
  // Appends a block's genes; returns its number of symbols.
  std::uint64_t add_genes(const Block& block) {
    if (block.genes.empty() || genes_.size() + block.genes.size() > max_genes) {
      throw Error("search space " + name_ + " must have 1 to " + std::to_string(max_genes) +
                  " genes, and one in each block");
    }
    std::uint64_t symbols = 1;
    for (const Gene& gene : block.genes) {
      check_choices(gene);
      symbols *= gene.choices.size();  // at most 2^40 here, as it is bounded after each gene
      if (symbols > max_symbols) throw Error("block " + block.name + " has more than 2^32 symbols");
      genes_.push_back(gene);
      last_.push_back(static_cast<std::uint8_t>(gene.choices.size() - 1));
    }
    return symbols;
  }

  static void check_choices(const Gene& gene) {
    const std::vector<Value>& choices = gene.choices;
    if (choices.empty() || choices.size() > max_choices) {
      throw Error("gene " + gene.name + " must have 1 to 256 choices, has " +
                  std::to_string(choices.size()));
    }
    for (const Value& choice : choices) {
      if (choice.kind() == choices[0].kind()) continue;
      throw Error("gene " + gene.name +
                  ": the choices must be all integers, all floats, all booleans or all strings");
    }
    for (const Value& choice : choices) {
      const bool negative_zero = choice.real() == 0 && std::signbit(choice.real());
      if (std::isfinite(choice.real()) && !negative_zero) continue;
      throw Error("gene " + gene.name + ": a float is finite, and zero is not negative; found " +
                  choice.show());
    }
    if (std::set<Value>(choices.begin(), choices.end()).size() != choices.size()) {
      throw Error("gene " + gene.name + " has a choice twice");
    }
    if (gene.ordered) check_scale(gene);
  }

  // Refuses an order of booleans, and of numbers that neither ascend nor descend.
  static void check_scale(const Gene& gene) {
    const std::vector<Value>& choices = gene.choices;
    const auto falls = [](const Value& a, const Value& b) { return b < a; };
    const bool sorted = std::is_sorted(choices.begin(), choices.end()) ||
                        std::is_sorted(choices.begin(), choices.end(), falls);
    if (choices[0].kind() == Value::Kind::string || (sorted && !gene.is_boolean())) return;
    throw Error("gene " + gene.name + " is ordered, but its choices are no scale");
  }

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
  bool has_indices_ = true;
  std::string shown_size_;
};

}  // namespace anb

#endif  // ANB_ENCODER_HPP
