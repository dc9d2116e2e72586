// Surrogates of Accel-NASBench from their ONNX files, without an ONNX runtime: one header, C++17,
// no dependencies. Copy this file into your project, compile with -O3 -ffp-contract=off
// -fno-math-errno, and see Surrogate at its end, or examples/cpp/README.md.
//
// Made by examples/cpp/amalgamate.py from the headers beside it; change those.
//
// SPDX-License-Identifier: Apache-2.0

// Errors, and texts that are safe to show. No dependencies; C++17.
#ifndef ANB_ERROR_HPP
#define ANB_ERROR_HPP

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace anb {

// The release that these headers are of.
inline constexpr const char* version = "0.1.0";

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

// Appends a character, which is no half of a surrogate pair: its first byte says how many follow.
inline void append_utf8(std::string& text, unsigned point) {
  const int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  constexpr unsigned leads[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(leads[more] | (point >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) {
    text += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3F));
  }
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

}  // namespace anb

#endif  // ANB_ERROR_HPP

// Floats of 64 bits as decimals, read and written as Python does. No dependencies; C++17.
#ifndef ANB_DECIMALS_HPP
#define ANB_DECIMALS_HPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace anb {
namespace detail {

// Whether the digits of a number of JSON say that it is below 1, whatever its exponent.
inline bool is_below_one(std::string_view text) {
  const std::size_t exponent = std::min(text.find_first_of("eE"), text.size());
  std::string_view power = text.substr(std::min(exponent + 1, text.size()));
  const std::string_view digits = text.substr(0, exponent);
  const std::size_t first = std::min(digits.find_first_of("123456789"), digits.size());
  const std::size_t dot = std::min(digits.find('.'), digits.size());
  const double place = static_cast<double>(dot) - static_cast<double>(first) + (first > dot);
  double shift = 0;  // of any length, as a number that may be infinite
  const bool negative = !power.empty() && power[0] == '-';
  for (const char digit : power) {
    if (digit >= '0' && digit <= '9') shift = 10 * shift + (digit - '0');
  }
  return place + (negative ? -shift : shift) <= 0;
}

// The float64 nearest to a decimal number, which has the digits of JSON; nothing beyond all of them.
inline std::optional<double> parse_double(std::string_view text) {
  double value = 0;
#if defined(__cpp_lib_to_chars)
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = code == std::errc() && end == text.data() + text.size();
  const bool beyond = code == std::errc::result_out_of_range && end == text.data() + text.size();
#else
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  bool good = static_cast<bool>(stream >> value) && stream.eof();
  const bool beyond = !good && stream.eof();
#endif
  if (beyond && is_below_one(text)) {
    value = 0;  // nearer to it than to any other
    good = true;
  }
  if (text.empty() || !good || !std::isfinite(value)) return {};
  return value;
}

// A finite number with the fewest digits that read back as the same, as in "-1.5e-07".
inline std::string shortest(double value) {
  char text[32];
#if defined(__cpp_lib_to_chars)
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  return std::string(text, end.ptr);
#else
  for (int digits = 0; digits < 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*e", digits, value);
    std::replace(text, text + sizeof text, ',', '.');  // of some locales
    if (parse_double(text) == value) break;
    // A power of two has a nearer neighbour on one side: of so many digits the nearest may be that
    // neighbour's, and the next one away from zero its own.
    char* const last = std::find(text, text + sizeof text, 'e') - 1;
    if (*last == '.' || *last == '9') continue;
    ++*last;
    if (parse_double(text) == value) break;
  }
  return text;
#endif
}

// A finite number as Python writes a float: 0.0005, 1e-05, 1.0, 1e+16.
inline std::string show_float(double value) {
  const std::string text = shortest(value);
  const std::size_t at = text.find('e');
  const int exponent = std::atoi(text.c_str() + at + 1);
  if (exponent < -4 || exponent >= 16) return text;  // two digits of an exponent at least, as here
  const std::size_t sign = text[0] == '-' ? 1 : 0;
  std::string digits = text.substr(sign, at - sign);
  if (digits.size() > 1) digits.erase(1, 1);
  const std::string minus = text.substr(0, sign);
  if (exponent < 0) {
    return minus + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.resize(whole + 1, '0');
  return minus + digits.insert(whole, ".");
}

}  // namespace detail
}  // namespace anb

#endif  // ANB_DECIMALS_HPP

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

// What belongs to the space of Accel-NASBench alone: the four lists of the reference, and
// EfficientNet-B0. No dependencies; C++17.
#ifndef ANB_MNASNET_HPP
#define ANB_MNASNET_HPP

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>


namespace anb {

// An architecture as the reference writes it: four lists of one value per block.
struct Lists {
  std::vector<int> expansion, kernel, layers, se;  // se: 1 or 0
};

// The space of Accel-NASBench, for programs that read no manifest.
inline SearchSpace mnasnet() {
  std::vector<Block> blocks;
  for (int number = 0; number < 7; ++number) {
    const std::string name = "block" + std::to_string(number);
    std::vector<Value> layers = {1, 2, 3};
    if (number == 5) layers.push_back(4);
    blocks.push_back({name,
                      {{name + "_e", {1, 4, 6}},
                       {name + "_k", {3, 5}},
                       {name + "_l", layers},
                       {name + "_se", {true, false}}}});
  }
  return SearchSpace("mnasnet", std::move(blocks));
}

// The kinds of the lists, and how the names of the genes end that each is about.
struct ListKind {
  const char *name, *suffix;
};
inline constexpr ListKind list_kinds[] = {
    {"expansion", "_e"}, {"kernel", "_k"}, {"layers", "_l"}, {"se", "_se"}};

// Whether architectures of a space may be written as four lists: of that of Accel-NASBench, or of a
// part of it.
inline bool has_lists(const SearchSpace& space) {
  static const SearchSpace whole = mnasnet();
  const std::vector<Gene>&own = space.genes(), &all = whole.genes();
  const auto same = [](const Gene& a, const Gene& b) { return a.name == b.name; };
  return space.name() == whole.name() && own.size() == all.size() &&
         std::is_permutation(own.begin(), own.end(), all.begin(), same);
}

inline Lists efficientnet_b0() {
  return {{1, 6, 6, 6, 6, 6, 6},
          {3, 3, 5, 3, 5, 5, 3},
          {1, 2, 2, 3, 3, 4, 1},
          {1, 1, 1, 1, 1, 1, 1}};
}

// The codes of four lists. Throws if the space is another than mnasnet, or a value is not one of its
// gene's choices.
inline Codes codes_of_lists(const SearchSpace& space, const Lists& lists) {
  if (space.name() != "mnasnet") {
    throw Error("four lists are of the search space mnasnet, not of " + space.name());
  }
  const std::vector<Block>& blocks = space.blocks();
  const std::vector<int>* const parts[] = {&lists.expansion, &lists.kernel, &lists.layers,
                                           &lists.se};
  std::map<std::string, Value> values;
  for (std::size_t part = 0; part < 4; ++part) {
    const std::vector<int>& list = *parts[part];
    if (list.size() != blocks.size()) {
      throw Error(std::string(list_kinds[part].name) + " takes " + std::to_string(blocks.size()) +
                  " values, one per block, not " + std::to_string(list.size()));
    }
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      values.emplace(blocks[block].name + list_kinds[part].suffix, list[block]);
    }
  }
  return space.codes_of_values(values);
}

}  // namespace anb

#endif  // ANB_MNASNET_HPP

// What belongs to the space of NAS-Bench-201 alone: its architecture strings. No dependencies; C++17.
#ifndef ANB_NASBENCH201_HPP
#define ANB_NASBENCH201_HPP

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>


namespace anb {

namespace detail {

// From which node each edge comes; a node ends with "|", and the next begins behind a "+".
inline constexpr char edge_sources[] = {'0', '0', '1', '0', '1', '2'};
inline constexpr bool ends_node(std::size_t edge) { return edge == 0 || edge == 2 || edge == 5; }

}  // namespace detail

// How an architecture string looks.
inline constexpr const char* arch_string = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|";

// Whether architectures of a space may be written as strings: of the one called "nasbench201".
inline bool has_arch_strings(const SearchSpace& space) {
  return space.name() == "nasbench201" && space.genes().size() == sizeof detail::edge_sources;
}

namespace detail {

// The operations of an architecture string, in the order of the edges; nothing for another text.
inline std::optional<std::vector<Value>> operations_of(std::string_view text) {
  std::vector<Value> values;
  std::size_t at = 0;
  const auto take = [&](char wanted) {
    return at < text.size() && text[at] == wanted && ++at > 0;
  };
  for (std::size_t edge = 0; edge < sizeof edge_sources; ++edge) {
    if ((edge == 0 || ends_node(edge - 1)) && !take('|')) return {};
    const std::size_t end = text.find_first_of("|~+", at);
    if (end == at || end == std::string_view::npos) return {};
    values.push_back(std::string(text.substr(at, end - at)));
    at = end;
    if (!take('~') || !take(edge_sources[edge]) || !take('|')) return {};
    if (ends_node(edge) && edge + 1 < sizeof edge_sources && !take('+')) return {};
  }
  if (at != text.size()) return {};
  return values;
}

}  // namespace detail

// The codes of a string as NAS-Bench-201 writes it: "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|". Throws if
// the space is another, the string is of another form, or an operation is not one of its edge's.
inline Codes codes_of_arch_string(const SearchSpace& space, std::string_view text) {
  if (!has_arch_strings(space)) {
    throw Error("architecture strings are of the search space nasbench201, not of " + space.name());
  }
  const auto operations = detail::operations_of(text);
  if (!operations) {
    throw Error("an architecture string is '" + std::string(arch_string) + "', not '" +
                detail::excerpt(text) + "'");
  }
  return space.codes_of_row(*operations);
}

}  // namespace anb

#endif  // ANB_NASBENCH201_HPP

// Lists, objects, strings and numbers as JSON or Python writes them, read without loss: the union of
// both that docs/architectures.md has. No dependencies; C++17.
#ifndef ANB_NOTATION_HPP
#define ANB_NOTATION_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>


namespace anb {
namespace detail {

// White space, everywhere in texts of architectures; and no other character.
inline constexpr std::string_view blanks = " \t\r\n";

inline std::string_view trimmed(std::string_view text) {
  const std::size_t start = text.find_first_not_of(blanks);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(blanks) - start + 1);
}

// What a text holds. Tuples are lists, too.
struct Item {
  enum class Kind : std::uint8_t { null, boolean, integer, number, string, list, object };

  Kind kind = Kind::null;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string text;                // of a string; of numbers the digits, as they were written
  std::vector<std::string> names;  // of an object, beside its items
  std::vector<Item> items;

  // The item in a message.
  std::string show() const {
    switch (kind) {
      case Kind::null: return "null";
      case Kind::boolean: return boolean ? "true" : "false";
      case Kind::string: return "'" + excerpt(text) + "'";
      case Kind::list: return "a list";
      case Kind::object: return "an object";
      default: return excerpt(text);
    }
  }

  // Of an object: the item of a name, which is looked for at `hint` first; null if there is none.
  const Item* find(std::string_view name, std::size_t hint = 0) const {
    if (hint < names.size() && names[hint] == name) return &items[hint];
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? nullptr : &items[static_cast<std::size_t>(found - names.begin())];
  }
};

// A number by its digits, which are those of JSON: an integer if they say that it is whole, and 64 bits
// with a sign hold it. Never rounded, so that 5.0 is 5 and 9007199254740992.5 is nothing near it.
inline Item read_number(std::string_view written) {
  constexpr std::size_t most = 40;  // digits of integers; choices and codes have fewer
  Item item;
  item.kind = Item::Kind::number;
  item.text = written;
  const std::size_t exponent = std::min(written.find_first_of("eE"), written.size());
  std::string_view power = written.substr(std::min(exponent + 1, written.size()));
  std::string digits(written.substr(0, exponent));
  const bool negative = digits[0] == '-';
  if (negative) digits.erase(0, 1);
  const std::size_t dot = digits.find('.');
  const std::size_t after = dot == std::string::npos ? 0 : digits.size() - dot - 1;
  if (dot != std::string::npos) digits.erase(dot, 1);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) {
    item.kind = Item::Kind::integer;
    return item;
  }
  std::int64_t shift = 0;
  if (power.size() > most) return item;
  if (!power.empty()) {
    if (power[0] == '+') power.remove_prefix(1);
    const auto [end, code] = std::from_chars(power.data(), power.data() + power.size(), shift);
    if (code != std::errc() || end != power.data() + power.size()) return item;  // beyond 64 bits
    if (shift > 1'000'000'000 || shift < -1'000'000'000) return item;  // as no text is as long
  }
  const std::int64_t point = static_cast<std::int64_t>(digits.size()) -
                             static_cast<std::int64_t>(after) + shift;
  if (point <= 0 || point > static_cast<std::int64_t>(most)) return item;
  const auto whole = static_cast<std::size_t>(point);
  if (digits.size() > whole && digits.find_first_not_of('0', whole) != std::string::npos) {
    return item;
  }
  digits.resize(whole, '0');
  if (negative) digits.insert(0, "-");
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), item.integer);
  if (code == std::errc()) item.kind = Item::Kind::integer;
  return item;
}

// Reads one text from left to right, in time in proportion to its length.
class Notation {
 public:
  // The value that a text is. Throws `Error` where it is anything else than one value, or a key
  // stands twice in an object: what is wrong, and where.
  static Item read(std::string_view text) {
    Notation reader(text);
    Item item = reader.value(levels_);
    reader.next();
    if (reader.at_ < text.size()) reader.fail("something follows");
    return item;
  }

 private:
  static constexpr int levels_ = 16;  // of lists in each other, far more than any architecture has

  explicit Notation(std::string_view text) : text_(text) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(what + " at " +
                (at_ < text_.size() ? "byte " + std::to_string(at_ + 1) : "its end"));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  // Passes over white space; returns the character there, or NUL at the end.
  char next() {
    at_ = std::min(text_.find_first_not_of(blanks, at_), text_.size());
    return peek();
  }

  bool take(char wanted) {
    if (next() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  static bool is_quote(char c) { return c == '"' || c == '\''; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }

  Item value(int levels) {
    const char first = next();
    if (first == '[' || first == '(' || first == '{') {
      if (levels == 0) fail("it is nested too deeply");
      ++at_;
      return first == '{' ? object(levels - 1) : list(first == '[' ? ']' : ')', levels - 1);
    }
    Item item;
    if (is_quote(first)) {
      item.kind = Item::Kind::string;
      item.text = string();
      return item;
    }
    if (first == '-' || is_digit(first)) return number();
    const std::size_t start = at_;
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    if (word == "null" || word == "None") return item;
    item.kind = Item::Kind::boolean;
    item.boolean = word == "true" || word == "True";
    if (!item.boolean && word != "false" && word != "False") {
      at_ = start;
      fail("there is no value");
    }
    return item;
  }

  Item number() {
    const std::size_t start = at_;
    const auto digits = [&] {
      const std::size_t first = at_;
      while (is_digit(peek())) ++at_;
      return at_ > first;
    };
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
    } else if (!digits()) {
      fail("there is no value");
    }
    std::size_t end = at_;  // of what is a number so far
    if (peek() == '.') {
      ++at_;
      end = digits() ? at_ : end;
      at_ = end;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      end = digits() ? at_ : end;
      at_ = end;
    }
    if (is_letter(peek()) || is_digit(peek()) || peek() == '.') fail("no number goes on so");
    return read_number(text_.substr(start, at_ - start));
  }

  Item list(char end, int levels) {
    Item item;
    item.kind = Item::Kind::list;
    bool comma = true;
    while (next() != end) {
      if (!comma) fail("a comma is missing");
      item.items.push_back(value(levels));
      comma = take(',');
    }
    if (end == ')' && item.items.size() == 1 && !comma) {
      fail("one item in ( ) has a comma behind it");
    }
    ++at_;
    return item;
  }

  Item object(int levels) {
    Item item;
    item.kind = Item::Kind::object;
    bool comma = true;
    while (next() != '}') {
      if (!comma) fail("a comma is missing");
      if (!is_quote(peek())) fail("there is no string for a key");
      item.names.push_back(string());
      if (!take(':')) fail("there is no colon");
      item.items.push_back(value(levels));
      comma = take(',');
    }
    ++at_;
    refuse_twins(item.names);
    return item;
  }

  static void refuse_twins(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    const auto twin = std::adjacent_find(names.begin(), names.end());
    if (twin != names.end()) throw Error("the key '" + excerpt(*twin) + "' stands twice in it");
  }

  std::string string() {
    const char quote = text_[at_++];
    std::string found;
    while (peek() != quote || at_ >= text_.size()) {
      if (at_ >= text_.size()) fail("a string does not end");
      if (peek() == '\\') {
        escape(found);
        continue;
      }
      const std::size_t length = utf8_length(text_, at_);
      if (length == 0 || static_cast<unsigned char>(peek()) < 0x20) fail("a string is broken");
      found += text_.substr(at_, length);
      at_ += length;
    }
    ++at_;
    return found;
  }

  // One escape, of a character beyond U+FFFF both halves of the pair.
  void escape(std::string& found) {
    constexpr std::string_view names = "\"'\\/bfnrt", meanings = "\"'\\/\b\f\n\r\t";
    const char kind = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    const std::size_t place = kind == '\0' ? std::string_view::npos : names.find(kind);
    if (place != std::string_view::npos) {
      found += meanings[place];
      at_ += 2;
      return;
    }
    unsigned point = unit();
    if (point >= 0xD800 && point < 0xDC00) {
      const bool more = at_ + 1 < text_.size() && text_[at_] == '\\' && text_[at_ + 1] == 'u';
      const unsigned low = more ? unit() : 0;
      if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xDC00 && point <= 0xDFFF) {
      fail("half a surrogate pair");
    }
    append_utf8(found, point);
  }

  // The 16 bits of "\u1234".
  unsigned unit() {
    unsigned value = 0;
    if (text_.substr(at_ + 1, 1) != "u" || text_.size() - at_ < 6) fail("there is no such escape");
    const char* const first = text_.data() + at_ + 2;
    const auto [end, code] = std::from_chars(first, first + 4, value, 16);
    if (code != std::errc() || end != first + 4) fail("there is no such escape");
    at_ += 6;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail
}  // namespace anb

#endif  // ANB_NOTATION_HPP

// One architecture as a person or a program writes it: the grammar of docs/architectures.md. No
// dependencies; C++17.
#ifndef ANB_SPELLING_HPP
#define ANB_SPELLING_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>


namespace anb {

// How architectures of a space are written, in words.
inline std::string spellings(const SearchSpace& space) {
  const std::string n = std::to_string(space.genes().size());
  std::string ways;
  if (has_lists(space)) {
    ways = "efficientnet-b0, four lists [[expansion...],[kernel...],[layers...],[se...]], ";
  }
  if (has_arch_strings(space)) ways += std::string("a string '") + arch_string + "', ";
  return ways + "an index from 0 to " + space.last_index() + ", " + n +
         " codes 0 ... or [0, ...], a list of " + n +
         " values, a boolean or string among them, or an object of all genes {\"" +
         space.genes()[0].name + "\": ...}";
}

namespace detail {

// The words of a text, between which stands white space or one comma; nothing if one is no natural
// number, or a field between commas is empty: nobody can tell what that was to be.
inline std::vector<std::string_view> natural_numbers(std::string_view text) {
  std::vector<std::string_view> numbers;
  bool comma = true;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ',') {
      if (comma) return {};
      comma = true;
    }
    const std::size_t end = std::min(text.find_first_of(" \t\r\n,", at), text.size());
    if (end > at) {
      const std::string_view word = text.substr(at, end - at);
      if (word.find_first_not_of("0123456789") != std::string_view::npos) return {};
      if (word[0] == '0' && word.size() > 1) return {};
      numbers.push_back(word);
      comma = false;
    }
    at = std::max(end, at + 1);
  }
  if (comma) return {};
  return numbers;
}

inline bool begins_with(std::string_view text, std::string_view characters) {
  return !text.empty() && characters.find(text[0]) != std::string_view::npos;
}

// What makes codes of a text of one space.
class Speller {
 public:
  Speller(std::string_view text, const SearchSpace& space) : text_(text), space_(space) {}

  Codes codes() const {
    std::string_view plain = trimmed(text_);
    std::string inner;
    if (begins_with(plain, "\"'")) {
      inner = read(plain).text;
      plain = trimmed(inner);
      if (begins_with(plain, "\"'")) refuse("once in quotes is enough");
    }
    const bool bracketed = plain.size() > 1 && plain.front() == '[' && plain.back() == ']';
    const std::string_view inside = bracketed ? plain.substr(1, plain.size() - 2) : plain;
    const std::vector<std::string_view> numbers = natural_numbers(inside);
    if (numbers.size() == 1 && !bracketed) {
      const std::optional<std::uint64_t> index = value_of(plain);
      return index ? space_.codes_of_index(*index) : space_.codes_of_digits(plain);
    }
    if (!numbers.empty()) return codes_of_words(numbers);
    if (begins_with(plain, "[({")) return codes_of_item(read(plain));
    if (has_lists(space_) && is_b0(plain)) return codes_of_lists(space_, efficientnet_b0());
    if (has_arch_strings(space_)) {
      if (const auto operations = operations_of(plain)) return space_.codes_of_row(*operations);
    }
    refuse("");
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error("'" + excerpt(trimmed(text_)) + "' is no architecture" +
                (reason.empty() ? "" : " (" + reason + ")") + "; give " + spellings(space_));
  }

  Item read(std::string_view text) const {
    try {
      return Notation::read(text);
    } catch (const Error& error) {
      refuse(error.what());
    }
  }

  static bool is_b0(std::string_view text) {
    std::string name(text);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return name == "efficientnet-b0";
  }

  void check_count(std::size_t n) const {
    if (n == space_.genes().size()) return;
    throw Error("an architecture of " + space_.name() + " has " +
                std::to_string(space_.genes().size()) +
                " codes or values, one for each gene, not " + std::to_string(n) +
                (has_lists(space_) ? ", or four lists: expansion, kernel, layers, se" : ""));
  }

  // A natural number of 64 bits, or nothing.
  static std::optional<std::uint64_t> value_of(std::string_view digits) {
    std::uint64_t value = 0;
    const auto found = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return found.ec == std::errc() ? std::optional<std::uint64_t>(value) : std::nullopt;
  }

  Codes codes_of_words(const std::vector<std::string_view>& words) const {
    check_count(words.size());
    Codes codes(words.size());
    for (std::size_t gene = 0; gene < words.size(); ++gene) {
      const std::optional<std::uint64_t> code = value_of(words[gene]);
      const Gene& here = space_.genes()[gene];
      if (!code || *code >= here.choices.size()) refuse_code(here, excerpt(words[gene]));
      codes[gene] = static_cast<std::uint8_t>(*code);
    }
    return codes;
  }

  Codes codes_of_numbers(const std::vector<Item>& items) const {
    check_count(items.size());
    Codes codes(items.size());
    for (std::size_t gene = 0; gene < items.size(); ++gene) {
      const Item& item = items[gene];
      const Gene& here = space_.genes()[gene];
      const auto n = static_cast<std::int64_t>(here.choices.size());
      const bool code = item.kind == Item::Kind::integer && item.integer >= 0 && item.integer < n;
      if (!code) refuse_code(here, item.show());
      codes[gene] = static_cast<std::uint8_t>(item.integer);
    }
    return codes;
  }

  [[noreturn]] static void refuse_code(const Gene& gene, const std::string& shown) {
    try {
      gene.refuse_code(shown);
    } catch (const Error& error) {
      throw Error(std::string(error.what()) + "; a list of numbers alone holds codes");
    }
  }

  // Of a list or an object.
  Codes codes_of_item(const Item& item) const {
    if (item.kind == Item::Kind::object) {
      const auto named = [&](const ListKind& kind) { return item.find(kind.name) != nullptr; };
      if (has_lists(space_) && std::any_of(std::begin(list_kinds), std::end(list_kinds), named)) {
        return codes_of_named_lists(item);
      }
      space_.check_names({item.names.begin(), item.names.end()});
      Codes codes;
      for (const Gene& gene : space_.genes()) {
        codes.push_back(code_of(gene, *item.find(gene.name, codes.size())));
      }
      return codes;
    }
    const std::vector<Item>& items = item.items;
    const auto n_of = [&](Item::Kind kind) {
      const auto is = [&](const Item& one) { return one.kind == kind; };
      return static_cast<std::size_t>(std::count_if(items.begin(), items.end(), is));
    };
    const std::size_t four = std::size(list_kinds);
    if (items.size() == four && n_of(Item::Kind::list) == four && has_lists(space_)) {
      return codes_of_four_lists(items);
    }
    if (n_of(Item::Kind::boolean) + n_of(Item::Kind::string) == 0) return codes_of_numbers(items);
    check_count(items.size());
    Codes codes;
    for (const Item& one : items) codes.push_back(code_of(space_.genes()[codes.size()], one));
    return codes;
  }

  Codes codes_of_named_lists(const Item& item) const {
    std::vector<Item> items;
    for (const ListKind& kind : list_kinds) {
      if (const Item* found = item.find(kind.name)) items.push_back(*found);
    }
    if (items.size() != std::size(list_kinds) || item.items.size() != items.size()) {
      std::string names;
      for (const std::string& name : item.names) names += (names.empty() ? "" : ", ") + name;
      throw Error("four lists have the names expansion, kernel, layers and se, not " +
                  excerpt(names, 200));
    }
    return codes_of_four_lists(items);
  }

  Codes codes_of_four_lists(const std::vector<Item>& lists) const {
    const std::vector<Block>& blocks = space_.blocks();
    Item named;
    for (std::size_t part = 0; part < lists.size(); ++part) {
      const ListKind& kind = list_kinds[part];
      const Item& list = lists[part];
      if (list.kind != Item::Kind::list || list.items.size() != blocks.size()) {
        const bool is_list = list.kind == Item::Kind::list;
        throw Error(std::string(kind.name) + " takes " + std::to_string(blocks.size()) +
                    " values, one per block, not " +
                    (is_list ? std::to_string(list.items.size()) : list.show()));
      }
      for (std::size_t block = 0; block < blocks.size(); ++block) {
        named.names.push_back(blocks[block].name + kind.suffix);
        named.items.push_back(list.items[block]);
      }
    }
    space_.check_names({named.names.begin(), named.names.end()});
    Codes codes;
    for (const Gene& gene : space_.genes()) codes.push_back(code_of(gene, *named.find(gene.name)));
    return codes;
  }

  static std::uint8_t code_of(const Gene& gene, const Item& item) {
    switch (item.kind) {
      case Item::Kind::boolean: return gene.code_of(item.boolean);
      case Item::Kind::integer: return gene.code_of(item.integer);
      case Item::Kind::string: return gene.code_of(item.text);
      case Item::Kind::number: return code_of_number(gene, item);
      default: gene.refuse(item.show());
    }
  }

  // Of a number that is no integer of 64 bits: of a float, the one that is nearest to it.
  static std::uint8_t code_of_number(const Gene& gene, const Item& item) {
    const std::optional<double> value = gene.is_float() ? parse_double(item.text) : std::nullopt;
    const std::optional<std::uint8_t> code = value ? gene.find(*value) : std::nullopt;
    if (!code) gene.refuse(item.show());
    return *code;
  }

  std::string_view text_;
  const SearchSpace& space_;
};

// A string of JSON, all of it ASCII.
inline std::string quoted(std::string_view text) {
  std::string found = "\"";
  const auto unit = [&found](unsigned value) {
    found += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) found += "0123456789abcdef"[(value >> shift) & 15];
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text, at), 1);
    unsigned point = static_cast<unsigned char>(text[at]);
    if (length > 1) point &= 0x7Fu >> length;
    for (std::size_t i = 1; i < length; ++i) {
      point = (point << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3F);
    }
    at += length;
    if (point == '"' || point == '\\') {
      found += {'\\', static_cast<char>(point)};
    } else if (point >= 0x20 && point < 0x7F) {
      found += static_cast<char>(point);
    } else if (point < 0x10000) {
      unit(point);
    } else {
      unit(0xD800 + ((point - 0x10000) >> 10));
      unit(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  return found + "\"";
}

}  // namespace detail

// One architecture as one line of JSON with the value of every gene: what `Architecture.to_json` of
// Python returns, to the byte. Throws `Error` if these are no codes of the space.
inline std::string format_architecture(const Codes& codes, const SearchSpace& space) {
  space.check_codes(codes);
  std::string text;
  for (std::size_t gene = 0; gene < codes.size(); ++gene) {
    const Gene& here = space.genes()[gene];
    const Value& value = here.choices[codes[gene]];
    const bool string = value.kind() == Value::Kind::string;
    text += (text.empty() ? "{" : ", ") + detail::quoted(here.name) + ": ";
    text += string ? detail::quoted(value.text()) : value.show();
  }
  return text + "}";
}

// The codes of one architecture as text: a name, an index, codes, values by position or by name, in the
// space mnasnet four lists, in nasbench201 a string of the benchmark; lists and objects as JSON or Python
// writes them. Throws `Error`, which names the gene and the value, or how architectures of the space
// are written.
inline Codes parse_architecture(std::string_view text, const SearchSpace& space) {
  return detail::Speller(text, space).codes();
}

}  // namespace anb

#endif  // ANB_SPELLING_HPP

// A small, strict reader of JSON. No dependencies; C++17.
//
// It refuses what the standard refuses, a key that occurs twice, and deep nesting, in time and
// memory in proportion to the document. Every value knows its place in the document, so that an
// error can name it.
#ifndef ANB_JSON_HPP
#define ANB_JSON_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>


namespace anb {

// A value of a document, which lives as long as any of its values.
class Json {
 public:
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

  // The bundled manifest has 3,000 values.
  static constexpr std::size_t max_values = 1'000'000;
  static constexpr int max_depth = 32;

  // Parses a document; `source` names it in all errors.
  static Json parse(std::string text, std::string source);

  Kind kind() const { return node().kind; }
  bool is_null() const { return kind() == Kind::null; }

  // The place of the value, as in "manifest.json: key 'targets.accuracy.file'".
  std::string where() const;

  std::string string() const;
  bool boolean() const { return require(Kind::boolean, "true or false").text() == "true"; }

  double number() const {
    const std::string_view digits = require(Kind::number, "a number").text();
    const std::optional<double> value = detail::parse_double(digits);
    if (!value) fail("a number that a float64 can hold, not " + detail::excerpt(digits));
    return *value;
  }

  // Whether it is a number without a fraction and an exponent.
  bool is_integer() const {
    return kind() == Kind::number && text().find_first_of(".eE") == std::string_view::npos;
  }

  // An integer from 0 to the given maximum.
  std::uint64_t integer(std::uint64_t maximum) const {
    const std::string_view digits = require(Kind::number, "an integer").text();
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size() || value > maximum) {
      fail("an integer from 0 to " + std::to_string(maximum) + ", not " + detail::excerpt(digits));
    }
    return value;
  }

  // An integer of 64 bits with a sign.
  std::int64_t integer64() const {
    const std::string_view digits = require(Kind::number, "an integer").text();
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size()) {
      fail("an integer from -2^63 to 2^63 - 1, not " + detail::excerpt(digits));
    }
    return value;
  }

  // The digits of an integer of 0 or more, of any magnitude.
  std::string_view digits() const {
    const std::string_view text = require(Kind::number, "an integer").text();
    if (text.find_first_not_of("0123456789") != std::string_view::npos) {
      fail("an integer of 0 or more, not " + detail::excerpt(text));
    }
    return text;
  }

  // The items of a list; if `most` is given, not more than that.
  std::vector<Json> array(std::size_t most = max_values) const {
    require(Kind::array, "a list");
    if (node().count > most) {
      fail("a list of at most " + std::to_string(most) + ", not " + std::to_string(node().count));
    }
    return children();
  }

  // The members of an object in their order: names() beside items().
  std::vector<std::string> names() const;
  std::vector<Json> items() const { return require(Kind::object, "an object").children(); }

  std::optional<Json> find(std::string_view name) const;

  Json at(std::string_view name) const {
    const std::optional<Json> found = find(name);
    if (!found) throw Error(where() + " lacks the key '" + std::string(name) + "'");
    return *found;
  }

  [[noreturn]] void fail(const std::string& wanted) const {
    throw Error(where() + " must be " + wanted);
  }

 private:
  // Numbers and places rather than texts: a value takes 32 bytes, whatever its path.
  struct Node {
    Kind kind = Kind::null;
    std::uint32_t parent = 0, next = 0;            // next: the sibling, 0 for the last
    std::uint32_t count = 0;                       // of children, whose first follows the node
    std::uint32_t name = 0, begin = 0, end = 0;  // in the text; of names and strings, the quotes
  };

  struct Document {
    std::string text, source;
    std::vector<Node> nodes;
  };

  struct Parser;

  Json(std::shared_ptr<const Document> document, std::uint32_t number)
      : document_(std::move(document)), number_(number) {}

  const Node& node() const { return document_->nodes[number_]; }

  std::string_view text() const {
    return std::string_view(document_->text).substr(node().begin, node().end - node().begin);
  }

  const Json& require(Kind kind, const char* wanted) const {
    if (node().kind != kind) fail(wanted);
    return *this;
  }

  std::vector<Json> children() const {
    std::vector<Json> found;
    found.reserve(node().count);
    std::uint32_t child = node().count > 0 ? number_ + 1 : 0;
    for (; child != 0; child = document_->nodes[child].next) found.push_back({document_, child});
    return found;
  }

  std::string name() const;

  std::shared_ptr<const Document> document_;
  std::uint32_t number_ = 0;
};

struct Json::Parser {
  const std::string& text;
  const std::string& source;
  std::size_t at = 0;
  std::vector<Node> nodes = {};

  void document() {
    if (text.size() > UINT32_MAX) fail("more than 4294967295 bytes");
    if (text.compare(0, 3, "\xEF\xBB\xBF") == 0) at = 3;  // the mark that some editors write
    parse(0, 0);
    skip_space();
    if (at != text.size()) fail("nothing more was expected");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(source + " is not valid JSON: " + what + " at byte " + std::to_string(at));
  }

  void skip_space() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' ||
                                text[at] == '\t')) {
      ++at;
    }
  }

  bool take(char wanted) {
    if (at >= text.size() || text[at] != wanted) return false;
    ++at;
    return true;
  }

  void expect(char wanted) {
    skip_space();
    if (!take(wanted)) fail(std::string("expected '") + wanted + "'");
  }

  // Appends a value and all that is in it; returns its number.
  std::uint32_t parse(std::uint32_t parent, int depth) {
    skip_space();
    if (at >= text.size()) fail("unexpected end");
    if (nodes.size() == max_values) fail("more than " + std::to_string(max_values) + " values");
    const auto number = static_cast<std::uint32_t>(nodes.size());
    nodes.emplace_back();
    nodes[number].parent = parent;
    nodes[number].begin = static_cast<std::uint32_t>(at);
    const char first = text[at];
    if (first == '{' || first == '[') {
      nodes[number].kind = first == '{' ? Kind::object : Kind::array;
      parse_children(number, depth);
      if (first == '{') refuse_twins(number);
    } else if (first == '"') {
      nodes[number].kind = Kind::string;
      parse_string(nullptr);
    } else if (first == '-' || (first >= '0' && first <= '9')) {
      nodes[number].kind = Kind::number;
      parse_number();
    } else {
      nodes[number].kind = parse_word() == 'n' ? Kind::null : Kind::boolean;
    }
    nodes[number].end = static_cast<std::uint32_t>(at);
    return number;
  }

  void parse_children(std::uint32_t number, int depth) {
    if (depth == max_depth) fail("nested too deeply");
    const bool object = nodes[number].kind == Kind::object;
    const char closing = object ? '}' : ']';
    ++at;
    skip_space();
    if (take(closing)) return;
    std::uint32_t last = 0;
    do {
      skip_space();
      const std::size_t name = at;
      if (object) {
        if (at >= text.size() || text[at] != '"') fail("expected a key");
        parse_string(nullptr);
        expect(':');
      }
      const std::uint32_t child = parse(number, depth + 1);
      nodes[child].name = static_cast<std::uint32_t>(name);
      if (last != 0) nodes[last].next = child;
      last = child;
      ++nodes[number].count;
      skip_space();
    } while (take(','));
    expect(closing);
  }

  // Sorted, because comparing each key with all before it takes minutes for a big document.
  void refuse_twins(std::uint32_t number) {
    if (nodes[number].count < 2) return;
    std::vector<std::string> names;
    names.reserve(nodes[number].count);
    for (std::uint32_t child = number + 1; child != 0; child = nodes[child].next) {
      names.push_back(decode(text, nodes[child].name));
    }
    std::sort(names.begin(), names.end());
    const auto twin = std::adjacent_find(names.begin(), names.end());
    if (twin != names.end()) {
      fail("the key '" + excerpt(*twin) + "' occurs twice in the object that ends");
    }
  }

  static std::string excerpt(const std::string& name) { return detail::excerpt(name); }

  // The string whose opening quote is at a place, in a text that was parsed before.
  static std::string decode(const std::string& text, std::size_t place) {
    Parser parser{text, text, place};
    std::string result;
    parser.parse_string(&result);
    return result;
  }

  char parse_word() {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text.compare(at, word.size(), word) == 0) {
        at += word.size();
        return word[0];
      }
    }
    fail("unexpected character");
  }

  bool digits() {
    const std::size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at > start;
  }

  void parse_number() {
    take('-');
    if (!take('0') && !digits()) fail("malformed number");
    if (take('.') && !digits()) fail("malformed number");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) fail("malformed number");
    }
  }

  unsigned parse_hex() {
    unsigned value = 0;
    if (text.size() - at < 4) fail("malformed escape");
    const auto [end, code] = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
    if (code != std::errc() || end != text.data() + at + 4) fail("malformed escape");
    at += 4;
    return value;
  }

  void append_escape(std::string& result) {
    constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (at >= text.size()) fail("unexpected end");
    const char name = text[at++];
    if (name != 'u') {
      const std::size_t place = names.find(name);
      if (place == std::string_view::npos) fail("malformed escape");
      result += meanings[place];
      return;
    }
    unsigned point = parse_hex();
    if (point >= 0xD800 && point < 0xDC00) {
      if (!take('\\') || !take('u')) fail("half of a surrogate pair");
      const unsigned low = parse_hex();
      if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xDC00 && point <= 0xDFFF) {
      fail("half of a surrogate pair");
    }
    detail::append_utf8(result, point);
  }

  // Passes over a string; appends its content to `result` unless that is null.
  void parse_string(std::string* result) {
    std::string escaped;
    ++at;
    while (true) {
      if (at >= text.size()) fail("unexpected end");
      const char c = text[at];
      if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
      const std::size_t length = detail::utf8_length(text, at);
      if (length == 0) fail("not UTF-8");
      at += length;
      if (c == '"') return;
      if (c == '\\') {
        escaped.clear();
        append_escape(escaped);
        if (result) *result += escaped;
      } else if (result) {
        result->append(text, at - length, length);
      }
    }
  }
};

inline Json Json::parse(std::string text, std::string source) {
  auto document = std::make_shared<Document>();
  document->text = std::move(text);
  document->source = std::move(source);
  Parser parser{document->text, document->source};
  parser.document();
  document->nodes = std::move(parser.nodes);
  return Json(document, 0);
}

inline std::string Json::string() const {
  return Parser::decode(document_->text, require(Kind::string, "a string").node().begin);
}

inline std::string Json::name() const { return Parser::decode(document_->text, node().name); }

inline std::vector<std::string> Json::names() const {
  std::vector<std::string> found;
  for (const Json& item : items()) found.push_back(item.name());
  return found;
}

inline std::optional<Json> Json::find(std::string_view name) const {
  require(Kind::object, "an object");
  std::uint32_t child = node().count > 0 ? number_ + 1 : 0;
  for (; child != 0; child = document_->nodes[child].next) {
    const Json item(document_, child);
    if (item.name() == name) return item;
  }
  return {};
}

inline std::string Json::where() const {
  std::string path;
  for (std::uint32_t child = number_; child != 0;) {
    const std::uint32_t parent = document_->nodes[child].parent;
    std::string step;
    if (document_->nodes[parent].kind == Kind::object) {
      step = detail::excerpt(Json(document_, child).name());
      if (parent != 0) step.insert(0, ".");
    } else {
      std::size_t place = 0;
      for (std::uint32_t i = parent + 1; i != child; i = document_->nodes[i].next) ++place;
      step = "[" + std::to_string(place) + "]";
    }
    path.insert(0, step);
    child = parent;
  }
  return document_->source + (path.empty() ? "" : ": key '" + path + "'");
}

}  // namespace anb

#endif  // ANB_JSON_HPP

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

// Files that are read whole, and their SHA-256 (FIPS 180-4). No dependencies; C++17.
//
// A path from outside may be a pipe (reading waits for ever), a device (it never ends) or a file of
// 10 GB. What is read here is a regular file of a bounded size, or an error at once.
#ifndef ANB_FILES_HPP
#define ANB_FILES_HPP

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif


namespace anb {

using Bytes = std::vector<std::uint8_t>;

// The most bytes of the files that are read, and the environment variables that set other numbers:
// those of the Python package.
struct Limits {
  static constexpr const char* manifest_variable = "ANB_ONNX_MAX_MANIFEST_BYTES";
  static constexpr const char* artifact_variable = "ANB_ONNX_MAX_ARTIFACT_BYTES";
  static constexpr const char* golden_variable = "ANB_ONNX_MAX_GOLDEN_BYTES";

  std::uint64_t manifest = std::uint64_t{16} << 20;
  std::uint64_t artifact = std::uint64_t{64} << 20;
  std::uint64_t golden = std::uint64_t{256} << 20;

  static Limits from_environment() {
    Limits limits;
    read(manifest_variable, limits.manifest);
    read(artifact_variable, limits.artifact);
    read(golden_variable, limits.golden);
    return limits;
  }

 private:
  static void read(const char* variable, std::uint64_t& limit) {
    constexpr std::uint64_t most = std::uint64_t{1} << 48;
    const char* found = std::getenv(variable);
    if (!found || !*found) return;
    const std::string_view text = found;
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value < 1 || value > most) {
      throw Error(std::string(variable) + " must be a number of bytes from 1 to " +
                  std::to_string(most) + ", not '" + detail::excerpt(text) +
                  "'; without it the limit is " + std::to_string(limit));
    }
    limit = value;
  }
};

namespace detail {

// Where bytes of an open file come from; closed in the end.
class Source {
 public:
#if defined(_WIN32)  // where opening a pipe does not wait
  explicit Source(const std::filesystem::path& path) : path_(path) {
    if (!std::filesystem::is_regular_file(path)) fail("it is no regular file");
    stream_.open(path, std::ios::binary);
    if (!stream_) fail("it cannot be opened");
  }

  std::uint64_t size() const { return std::filesystem::file_size(path_); }

  std::size_t read(std::uint8_t* to, std::size_t most) {
    stream_.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(most));
    if (stream_.bad()) fail("reading failed");
    return static_cast<std::size_t>(stream_.gcount());
  }
#else
  // Looked at before it is opened, as opening some devices does something; and afterwards, as the
  // path may have become another file in between.
  explicit Source(const std::filesystem::path& path) : path_(path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) fail(std::strerror(errno));
    require_regular(facts);
    handle_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle_ < 0) fail(std::strerror(errno));
    try {
      if (::fstat(handle_, &facts) != 0) fail(std::strerror(errno));
      require_regular(facts);
    } catch (...) {
      ::close(handle_);
      throw;
    }
    size_ = static_cast<std::uint64_t>(facts.st_size);
  }

  ~Source() { ::close(handle_); }

  std::uint64_t size() const { return size_; }

  std::size_t read(std::uint8_t* to, std::size_t most) {
    while (true) {
      const ssize_t found = ::read(handle_, to, most);
      if (found >= 0) return static_cast<std::size_t>(found);
      if (errno != EINTR) fail(std::strerror(errno));
    }
  }
#endif

  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(path_.string() + " cannot be read (" + why + ")");
  }

  std::filesystem::path path_;
#if defined(_WIN32)
  std::ifstream stream_;
#else
  void require_regular(const struct stat& facts) const {
    if (S_ISREG(facts.st_mode)) return;
    const char* const kind = S_ISFIFO(facts.st_mode)   ? "a pipe"
                             : S_ISDIR(facts.st_mode)  ? "a folder"
                             : S_ISSOCK(facts.st_mode) ? "a socket"
                                                       : "a device";
    fail(std::string("it is ") + kind + ", not a regular file");
  }

  int handle_ = -1;
  std::uint64_t size_ = 0;
#endif
};

}  // namespace detail

// Reads a regular file of at most `limit` bytes; `variable` is what sets the limit, for the error.
inline Bytes read_file(const std::filesystem::path& path, std::uint64_t limit,
                       const std::string& variable = "") {
  detail::Source source(path);
  const auto refuse = [&](const std::string& size) {
    throw Error(path.string() + " has " + size + " bytes, at most " + std::to_string(limit) +
                " are allowed" + (variable.empty() ? "" : " (" + variable + " sets this limit)"));
  };
  if (source.size() > limit) refuse(std::to_string(source.size()));
  Bytes content;
  std::size_t read = 0;
  do {
    // One byte more than stated: files of /proc state 0 bytes, and others may grow.
    if (read == content.size()) {
      content.resize(read == 0 ? static_cast<std::size_t>(source.size()) + 1 : read + 65536);
    }
    const std::size_t part = source.read(content.data() + read, content.size() - read);
    if (part == 0) break;
    read += part;
  } while (read <= limit);
  if (read > limit) refuse("more than " + std::to_string(limit));
  content.resize(read);
  return content;
}

namespace detail {

inline std::uint32_t rotate(std::uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
inline constexpr std::uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

inline void sha256_block(std::array<std::uint32_t, 8>& state, const std::uint8_t* block) {
  std::uint32_t w[64];
  for (int i = 0; i < 16; ++i) {
    w[i] = std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 |
           std::uint32_t{block[4 * i + 2]} << 8 | std::uint32_t{block[4 * i + 3]};
  }
  for (int i = 16; i < 64; ++i) {
    const std::uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)) +
           (rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10));
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    const std::uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                             ((e & f) ^ (~e & g)) + sha256_constants[i] + w[i];
    const std::uint32_t t2 =
        (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::uint32_t sums[] = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += sums[i];
}

}  // namespace detail

// The SHA-256 of some bytes, as 64 hexadecimal digits.
inline std::string sha256(const Bytes& content) {
  std::array<std::uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const std::size_t whole = content.size() / 64 * 64;
  for (std::size_t at = 0; at < whole; at += 64) detail::sha256_block(state, content.data() + at);
  // The rest, a bit 1, zeros, and the length in bits, big-endian.
  Bytes last(content.begin() + static_cast<std::ptrdiff_t>(whole), content.end());
  last.push_back(0x80);
  last.resize(last.size() <= 56 ? 64 : 128);
  const std::uint64_t bits = 8 * static_cast<std::uint64_t>(content.size());
  for (std::size_t i = 0; i < 8; ++i) {
    last[last.size() - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
  for (std::size_t at = 0; at < last.size(); at += 64) detail::sha256_block(state, &last[at]);
  std::string text;
  for (const std::uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
  }
  return text;
}

}  // namespace anb

#endif  // ANB_FILES_HPP

// What a target's entry of manifest.json says, which the metadata of its ONNX file says again: unit,
// terms, link, calibration and so on. No dependencies; C++17. The keys are described in
// docs/embedding.md.
#ifndef ANB_CARDS_HPP
#define ANB_CARDS_HPP

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>


namespace anb {

// The steps of an inverse link, made of correctly rounded float64 operations.
enum class Step { square, sqrt, reciprocal, reflect, hinge, regime };

struct Hinge {
  double knot = 0, change = 0;

  bool operator==(const Hinge& other) const {
    return knot == other.knot && change == other.change;
  }
};

// Further hinges, for the architectures with some choices of one gene only.
struct Regime {
  std::size_t gene = 0;              // its number among all genes
  std::vector<std::uint8_t> inside;  // 1 or 0 for each code of it
  std::vector<Hinge> hinges;         // one for each Step::regime

  bool operator==(const Regime& other) const {
    return std::tie(gene, inside, hinges) == std::tie(other.gene, other.inside, other.hinges);
  }
};

struct Link {
  std::vector<Step> inverse;
  double offset = 0;           // of Step::reflect
  std::vector<Hinge> hinges;  // one for each Step::hinge
  std::optional<Regime> regime;

  bool operator==(const Link& other) const {
    return std::tie(inverse, offset, hinges, regime) ==
           std::tie(other.inverse, other.offset, other.hinges, other.regime);
  }
};

// Where the integer tables lie in the ONNX file, and how their sums are scaled.
struct Tables {
  std::uint64_t offset = 0, entries = 0;
  double scale = 0, shift = 0;
  std::vector<double> scales, shifts;  // of several outputs, in place of scale and shift
};

// How far a new measurement lies from the mean. Half of an interval is quantile * predictive_std.
struct Calibration {
  double spread = 0, noise = 0;
  int noise_power = 0;
  std::optional<double> offset;
  std::vector<double> levels, quantiles;

  struct Interval {
    float predictive_std, lower, upper;
  };

  Interval interval(float mean, float std, double level) const {
    return interval(mean, scale(static_cast<double>(mean), static_cast<double>(std)), level);
  }

  // The same from a predictive scale.
  Interval interval(float mean, double wide, double level) const {
    if (!(level > 0 && level <= levels.back())) {
      std::ostringstream message;
      message << "level must be above 0 and at most " << levels.back() << ", not " << level;
      throw Error(message.str());
    }
    const double centre = mean;
    const double half = quantile(level) * wide;
    return {static_cast<float>(wide), static_cast<float>(centre - half),
            static_cast<float>(centre + half)};
  }

  // The predictive scale, before it is rounded.
  double scale(double mean, double std) const {
    const double t = offset ? *offset - mean : mean;
    double scale_of_noise = noise;
    for (int i = 0; i < noise_power; ++i) scale_of_noise *= t;
    const double scale_of_spread = spread * std;
    const double a = scale_of_spread * scale_of_spread, b = scale_of_noise * scale_of_noise;
    return std::sqrt(a + b);
  }

  bool operator==(const Calibration& other) const {
    return std::tie(spread, noise, noise_power, offset, levels, quantiles) ==
           std::tie(other.spread, other.noise, other.noise_power, other.offset, other.levels,
                    other.quantiles);
  }

 private:
  double quantile(double level) const {
    const auto above = std::upper_bound(levels.begin(), levels.end(), level);
    const std::size_t i = static_cast<std::size_t>(above - levels.begin()) - 1;
    if (levels[i] == level) return quantiles[i];
    const double slope = (quantiles[i + 1] - quantiles[i]) / (levels[i + 1] - levels[i]);
    const double rise = slope * (level - levels[i]);
    return rise + quantiles[i];
  }
};

// One of several outputs of an artifact: a metric, or a coefficient of a curve.
struct Output {
  std::string name, unit, direction;
  Link link;
  std::optional<Calibration> calibration;

  bool operator==(const Output& other) const {
    return std::tie(name, unit, direction, link, calibration) ==
           std::tie(other.name, other.unit, other.direction, other.link, other.calibration);
  }
};

// How the outputs become a function of a fidelity; docs/reference/format.md, Curves.
struct CurveForm {
  std::string fidelity, unit;  // its name and unit
  std::vector<double> at;      // the knots, which increase
  std::size_t coefficients = 0;
  std::vector<double> offset, basis;  // [T] and [T][coefficients]
  std::optional<std::size_t> gate;    // number of an output
  std::vector<double> rest;           // [T] where there is a gate
  std::optional<std::pair<double, double>> range;
  std::vector<double> noise;  // [T] or nothing

  // How many outputs are needed of the first ones.
  std::size_t outputs() const { return gate ? *gate + 1 : coefficients; }

  // The last knot at or before a fidelity. Throws where the curve has no such fidelity.
  std::size_t knot_before(double t) const {
    if (!(t >= at.front() && t <= at.back())) {
      std::ostringstream message;
      message << "fidelity '" << fidelity << "' must be a number from " << at.front() << " to "
              << at.back() << ' ' << unit << ", not " << t;
      throw Error(message.str());
    }
    return static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), t) - at.begin()) - 1;
  }

  // The noise of the calibration at a fidelity; nothing where it is not known.
  std::optional<double> noise_at(double t) const {
    if (noise.empty()) return {};
    const std::size_t i = knot_before(t);
    if (at[i] == t) return noise[i];
    const double slope = (noise[i + 1] - noise[i]) / (at[i + 1] - at[i]);
    const double rise = slope * (t - at[i]);
    return rise + noise[i];
  }

  bool operator==(const CurveForm& other) const {
    return std::tie(fidelity, unit, at, coefficients, offset, basis, gate, rest, range, noise) ==
           std::tie(other.fidelity, other.unit, other.at, other.coefficients, other.offset,
                    other.basis, other.gate, other.rest, other.range, other.noise);
  }
};

// That an output predicts by how much runs of different seeds differ.
struct SeedNoise {
  std::size_t output = 0;
  Calibration calibration;  // of the mean over all seeds

  bool operator==(const SeedNoise& other) const {
    return output == other.output && calibration == other.calibration;
  }
};

struct Target {
  static constexpr std::size_t max_members = 1024;

  std::string benchmark;                              // to which the target belongs
  std::string name, metric, device, unit, direction;  // device: "" where there is none
  std::string form;                                   // "tables", "trees" and others
  std::string file, sha256;
  std::uint64_t bytes = 0;
  std::size_t members = 0;
  std::optional<Tables> tables;  // of forms that have them
  std::optional<Terms> terms;    // where there are tables
  std::optional<Link> link;      // likewise
  std::optional<Calibration> calibration;
  bool exact = false;           // counted rather than estimated
  std::vector<Output> outputs;  // of the form "vector"; without a curve, the first is the target
  std::optional<CurveForm> curve;
  std::optional<SeedNoise> seed_noise;

  // Where a share `level` of new measurements lies, from a prediction's mean and std: for what is
  // exact the mean itself, and nothing where there is no calibration. Throws for a wrong level.
  std::optional<Calibration::Interval> interval(float mean, float std, double level) const {
    if (calibration) return calibration->interval(mean, std, level);
    if (exact) return Calibration::Interval{0, mean, mean};
    return {};
  }

  // The same of a curve at a fidelity, from its mean and std there; nothing where the artifact says
  // nothing of it.
  std::optional<Calibration::Interval> interval_at(float mean, float std, double fidelity,
                                                   double level) const {
    if (!curve) fail_fidelity("");
    const std::size_t knot = curve->knot_before(fidelity);
    if (!calibration || curve->at[knot] == curve->at.back()) return interval(mean, std, level);
    const std::optional<double> noise = curve->noise_at(fidelity);
    if (!noise) return {};
    Calibration there = *calibration;
    there.noise = *noise;
    return there.interval(mean, std, level);
  }

  // Where the mean of n runs of different seeds lies, from the mean that `seed_noise->output`
  // predicts besides.
  Calibration::Interval interval_of_seeds(float mean, float std, float noise, std::uint64_t n,
                                          double level) const {
    if (!seed_noise) fail_fidelity("seeds");
    if (n == 0) throw Error("fidelity 'seeds' must be a whole number of runs, 1 or more, not 0");
    const double scale =
        seed_noise->calibration.scale(static_cast<double>(mean), static_cast<double>(std));
    const double v = noise > 0 ? static_cast<double>(noise) : 0.0;
    const double variance = v * v / static_cast<double>(n), known = scale * scale;
    return seed_noise->calibration.interval(mean, std::sqrt(known + variance), level);
  }

  // One output as a target of its own.
  Target output(std::size_t k) const {
    Target target;
    target.benchmark = benchmark;
    target.name = target.metric = outputs[k].name;
    target.device = device;
    target.unit = outputs[k].unit;
    target.direction = outputs[k].direction;
    target.form = "tables";
    target.file = file;
    target.sha256 = sha256;
    target.bytes = bytes;
    target.members = members;
    target.tables = Tables{tables->offset, tables->entries, tables->scales[k], tables->shifts[k], {}, {}};
    target.terms = terms;
    target.link = outputs[k].link;
    target.calibration = outputs[k].calibration;
    target.exact = exact;
    return target;
  }

  // Throws that there is no such fidelity: "" for that of a curve.
  [[noreturn]] void fail_fidelity(const std::string& wanted) const {
    const std::string known = std::string(curve ? curve->fidelity : "") +
                              (curve && seed_noise ? ", " : "") + (seed_noise ? "seeds" : "");
    throw Error("the artifact of " + name + " has no fidelity" +
                (wanted.empty() ? "" : " '" + wanted + "'") +
                (known.empty() ? "" : (wanted.empty() ? " of a curve; it has " : "; it has ") + known));
  }
};

namespace detail {

inline constexpr std::uint64_t schema = 2;             // of manifests, and of metadata
inline constexpr std::size_t max_hinges = 64;          // of a link, and of a regime
inline constexpr std::uint64_t max_stated = std::uint64_t{1} << 48;  // bytes or entries

inline constexpr std::size_t max_name = 255;
inline constexpr double largest = FLT_MAX;  // of numbers in a target's unit, as predictions are

// What mends a file of another schema.
inline std::string mend_schema(std::uint64_t found) {
  if (found > schema) return ": it needs the C++ headers of a newer release";
  return found == schema - 1
             ? ": convert its folder with anb-export upgrade FOLDER --out NEW_FOLDER"
             : "";
}

// Whether a text may name a benchmark, and so its folder.
inline bool is_benchmark(std::string_view name) {
  constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= 64 && characters.find(name[0]) < 36 &&
         name.find_first_not_of(characters) == std::string_view::npos;
}

inline std::string read_benchmark(const Json& json) {
  const Json value = json.at("benchmark");
  const std::string name = value.string();
  if (!is_benchmark(name)) {
    value.fail("1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first, not '" +
               excerpt(name, 80) + "'");
  }
  return name;
}

inline std::string check_name(const Json& place, std::string name) {
  if (name.empty() || name.size() > 4 * max_name || name != printable(name)) {
    place.fail("a string of 1 to 255 printable characters, not '" + excerpt(name) + "'");
  }
  return name;
}

inline std::string read_name(const Json& json, const char* key) {
  const Json value = json.at(key);
  return check_name(value, value.string());
}

// A number in a target's unit, or a factor of one.
inline double read_number(const Json& json) {
  const double value = json.number();
  if (std::fabs(value) > largest) json.fail("a number that a float32 can hold");
  return value;
}

// Whether a value is a number, and if so whole, however it is written.
inline bool is_whole(const Json& json) {
  return json.kind() == Json::Kind::number && json.number() == std::floor(json.number());
}

// A choice of a gene.
inline Value read_choice(const Json& json, bool as_float) {
  if (json.kind() == Json::Kind::boolean) return json.boolean();
  if (json.kind() == Json::Kind::string) return json.string();
  if (json.kind() != Json::Kind::number) json.fail("a number, true or false, or a string");
  if (as_float) return json.number();
  return json.is_integer() || std::fabs(json.number()) >= 0x1p63
             ? json.integer64()
             : static_cast<std::int64_t>(json.number());  // 1.0, or 1e3
}

inline Gene read_gene(const Json& json) {
  Gene gene{read_name(json, "name"), {}};
  const std::vector<Json> choices = json.at("choices").array(SearchSpace::max_choices);
  const auto is_number = [](const Json& one) { return one.kind() == Json::Kind::number; };
  const bool numbers = std::all_of(choices.begin(), choices.end(), is_number);
  bool as_float = numbers && !std::all_of(choices.begin(), choices.end(), is_whole);
  if (const std::optional<Json> kind = json.find("kind")) {
    if (!numbers || kind->string() != "float") kind->fail("\"float\", of numbers, or left out");
    as_float = true;
  }
  if (const std::optional<Json> ordered = json.find("ordered")) gene.ordered = ordered->boolean();
  for (const Json& choice : choices) {
    gene.choices.push_back(read_choice(choice, as_float));
    if (choice.kind() == Json::Kind::string && !choice.string().empty()) {
      check_name(choice, choice.string());
    }
  }
  return gene;
}

inline SearchSpace read_space(const Json& json) {
  std::vector<Block> blocks;
  for (const Json& block : json.at("blocks").array(SearchSpace::max_blocks)) {
    blocks.push_back({read_name(block, "name"), {}});
    for (const Json& gene : block.at("genes").array(SearchSpace::max_genes)) {
      blocks.back().genes.push_back(read_gene(gene));
    }
  }
  SearchSpace space(read_name(json, "name"), std::move(blocks));
  // As text: it may have more digits than any type.
  const Json size = json.at("size");
  if (size.digits() != space.shown_size()) {
    size.fail(excerpt(space.shown_size()) + ", not " + excerpt(size.digits()));
  }
  return space;
}

inline Terms read_terms(const Json& json, const SearchSpace& space) {
  std::vector<std::vector<std::size_t>> numbers;
  for (const Json& term : json.array(Terms::max_terms)) {
    numbers.emplace_back();
    for (const Json& block : term.array(SearchSpace::max_blocks)) {
      numbers.back().push_back(
          static_cast<std::size_t>(block.integer(SearchSpace::max_blocks - 1)));
    }
  }
  try {
    return Terms(space, std::move(numbers));
  } catch (const Error& error) {
    throw Error(json.where() + ": " + error.what());
  }
}

// [knot, change] for each step of that name; an increasing function, as a change is above -1.
inline std::vector<Hinge> read_hinges(const Json& json, std::size_t steps,
                                      const std::string& step) {
  std::vector<Hinge> hinges;
  for (const Json& hinge : json.array(max_hinges)) {
    const std::vector<Json> parts = hinge.array();
    if (parts.size() != 2) json.fail("one [knot, change] for each step " + step);
    hinges.push_back({read_number(parts[0]), read_number(parts[1])});
    if (!(hinges.back().change > -1)) parts[1].fail("above -1");
  }
  if (hinges.size() != steps) json.fail("one [knot, change] for each step " + step);
  return hinges;
}

inline Regime read_regime(const Json& json, std::size_t steps, const SearchSpace& space) {
  Regime regime;
  const std::string name = json.at("gene").string();
  const std::vector<Gene>& genes = space.genes();
  while (regime.gene < genes.size() && genes[regime.gene].name != name) ++regime.gene;
  if (regime.gene == genes.size()) {
    json.at("gene").fail("a gene of search space " + space.name() + ", not '" + excerpt(name) +
                         "'");
  }
  regime.inside.resize(genes[regime.gene].choices.size());
  std::vector<std::uint64_t> codes;
  for (const Json& code : json.at("codes").array()) {
    codes.push_back(code.integer(regime.inside.size() - 1));
  }
  if (codes.empty() ||
      std::adjacent_find(codes.begin(), codes.end(), std::greater_equal<>()) != codes.end()) {
    json.at("codes").fail("one or more, that increase");
  }
  for (const std::uint64_t code : codes) regime.inside[code] = 1;
  regime.hinges = read_hinges(json.at("hinges"), steps, "regime");
  if (regime.hinges.empty()) json.at("hinges").fail("one or more");
  return regime;
}

inline Step read_step(const Json& json) {
  static const std::pair<const char*, Step> steps[] = {
      {"square", Step::square},   {"sqrt", Step::sqrt},   {"reciprocal", Step::reciprocal},
      {"reflect", Step::reflect}, {"hinge", Step::hinge}, {"regime", Step::regime}};
  const std::string name = json.string();
  for (const auto& [known, step] : steps) {
    if (name == known) return step;
  }
  json.fail("square, sqrt, reciprocal, reflect, hinge or regime, not '" + excerpt(name) + "'");
}

inline Link read_link(const Json& json, const SearchSpace& space) {
  Link link;
  const Json list = json.at("inverse");
  for (const Json& step : list.array(3 + 2 + 2 * max_hinges)) {
    link.inverse.push_back(read_step(step));
  }
  const auto steps = [&](Step wanted) {
    return static_cast<std::size_t>(std::count(link.inverse.begin(), link.inverse.end(), wanted));
  };
  // The inverse of a power 1, 2, 4, 1/2, 1/4, 1/8 or their negatives, and what follows it.
  if (!std::is_sorted(link.inverse.begin(), link.inverse.end()) || steps(Step::square) > 3 ||
      steps(Step::sqrt) > 2 || (steps(Step::square) > 0 && steps(Step::sqrt) > 0) ||
      steps(Step::reciprocal) > 1 || steps(Step::reflect) > 1) {
    list.fail("at most three squares or two sqrt, a reciprocal, a reflect, hinges, regimes, in "
              "this order");
  }
  if (steps(Step::hinge) > 0 || json.find("hinges")) {
    link.hinges = read_hinges(json.at("hinges"), steps(Step::hinge), "hinge");
  }
  if (steps(Step::regime) > 0 || json.find("regime")) {
    link.regime = read_regime(json.at("regime"), steps(Step::regime), space);
  }
  const Json offset = json.at("offset");
  if (steps(Step::reflect) > 0) {
    link.offset = read_number(offset);
  } else if (!offset.is_null()) {
    offset.fail("null, as no step reflects");
  }
  return link;
}

inline Calibration read_calibration(const Json& json) {
  Calibration calibration;
  const auto not_negative = [&](const char* key) {
    const double value = read_number(json.at(key));
    if (value < 0) json.at(key).fail("0 or more");
    return value;
  };
  calibration.spread = not_negative("spread");
  calibration.noise = not_negative("noise");
  calibration.noise_power = static_cast<int>(json.at("noise_power").integer(2));
  if (!json.at("offset").is_null()) calibration.offset = read_number(json.at("offset"));
  const auto read_list = [&](const char* key) {
    std::vector<double> values;
    for (const Json& value : json.at(key).array(1024)) values.push_back(read_number(value));
    return values;
  };
  calibration.levels = read_list("levels");
  calibration.quantiles = read_list("quantiles");
  const std::vector<double>&levels = calibration.levels, &quantiles = calibration.quantiles;
  if (levels.size() < 2 || levels.size() != quantiles.size() || levels[0] != 0 ||
      std::adjacent_find(levels.begin(), levels.end(), std::greater_equal<>()) != levels.end() ||
      !(levels.back() < 1)) {
    json.at("levels").fail("two or more, that increase from 0 to below 1, as many as quantiles");
  }
  if (quantiles[0] != 0 || !std::is_sorted(quantiles.begin(), quantiles.end())) {
    json.at("quantiles").fail("numbers that increase from 0");
  }
  return calibration;
}

// The facts that stand both in the manifest and in the ONNX file's metadata.
inline void read_card(const Json& json, const SearchSpace& space, bool with_tables,
                      Target& target) {
  target.metric = read_name(json, "metric");
  if (!json.at("device").is_null()) target.device = read_name(json, "device");
  target.unit = read_name(json, "unit");
  target.direction = json.at("direction").string();
  if (target.direction != "max" && target.direction != "min") {
    json.at("direction").fail("max or min, not '" + excerpt(target.direction) + "'");
  }
  target.form = read_name(json, "form");
  target.members = static_cast<std::size_t>(json.at("members").integer(Target::max_members));
  if (target.members == 0) {
    json.at("members").fail("an integer from 1 to " + std::to_string(Target::max_members) +
                            ", not 0");
  }
  if (with_tables) {
    target.terms = read_terms(json.at("terms"), space);
    target.link = read_link(json.at("link"), space);
  } else if (const auto terms = json.find("terms")) {
    terms->fail("absent, as there are no tables");
  }
  if (const auto calibration = json.find("calibration"); calibration && !calibration->is_null()) {
    target.calibration = read_calibration(*calibration);
  }
  const auto exact = json.find("exact");
  target.exact = exact && exact->boolean();
}

}  // namespace detail

}  // namespace anb

#endif  // ANB_CARDS_HPP

// What an entry of the form "vector" says of its outputs, and of the curve that they make.
// No dependencies; C++17. The keys are described in docs/reference/format.md, Several outputs.
#ifndef ANB_OUTPUTS_HPP
#define ANB_OUTPUTS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>


namespace anb::detail {

inline constexpr std::size_t max_outputs = 64, max_coefficients = 64, max_knots = 4096;

// Whether a target has several outputs.
inline bool is_vector(const Target& target) { return target.form == "vector"; }

// Throws unless an object has all the keys of one list, and no others than these and those of the
// second list.
inline void check_keys(const Json& json, std::initializer_list<std::string_view> wanted,
                       std::initializer_list<std::string_view> allowed = {}) {
  for (const std::string_view key : wanted) json.at(key);
  for (const std::string& name : json.names()) {
    const auto is_name = [&](const std::string_view key) { return key == name; };
    if (std::any_of(wanted.begin(), wanted.end(), is_name)) continue;
    if (std::any_of(allowed.begin(), allowed.end(), is_name)) continue;
    json.fail("an object without the key '" + excerpt(name) + "'");
  }
}

// A list of just so many numbers in a target's unit.
inline std::vector<double> read_numbers(const Json& json, std::size_t count) {
  std::vector<double> numbers;
  for (const Json& number : json.array(count)) numbers.push_back(read_number(number));
  if (numbers.size() != count) {
    json.fail("a list of " + std::to_string(count) + " numbers, not " +
              std::to_string(numbers.size()));
  }
  return numbers;
}

// Likewise, where -0.0 would leave open which of two zeros is the larger.
inline std::vector<double> read_signed_numbers(const Json& json, std::size_t count) {
  const std::vector<double> numbers = read_numbers(json, count);
  for (const double number : numbers) {
    if (number == 0 && std::signbit(number)) json.fail("of numbers other than -0.0");
  }
  return numbers;
}

inline std::string read_direction(const Json& json) {
  const std::string direction = json.at("direction").string();
  if (direction != "max" && direction != "min") {
    json.at("direction").fail("max or min, not '" + excerpt(direction) + "'");
  }
  return direction;
}

inline Output read_output(const Json& json, const SearchSpace& space) {
  check_keys(json, {"name", "unit", "direction", "link"}, {"calibration", "quality"});
  Output output;
  output.name = read_name(json, "name");
  output.unit = read_name(json, "unit");
  output.direction = read_direction(json);
  output.link = read_link(json.at("link"), space);
  if (const auto found = json.find("calibration")) output.calibration = read_calibration(*found);
  return output;
}

inline CurveForm read_curve(const Json& json, const Link& link, std::size_t n_outputs) {
  check_keys(json, {"fidelity", "at", "coefficients", "offset", "basis", "gate", "range", "noise"});
  CurveForm curve;
  check_keys(json.at("fidelity"), {"name", "unit"});
  curve.fidelity = read_name(json.at("fidelity"), "name");
  curve.unit = read_name(json.at("fidelity"), "unit");
  const Json at = json.at("at");
  const std::size_t knots = at.array(max_knots).size();
  curve.at = read_numbers(at, knots);
  if (knots == 0 || std::adjacent_find(curve.at.begin(), curve.at.end(),
                                       std::greater_equal<>()) != curve.at.end()) {
    at.fail("1 to " + std::to_string(max_knots) + " increasing numbers");
  }
  const Json coefficients = json.at("coefficients");
  curve.coefficients =
      static_cast<std::size_t>(coefficients.integer(std::min(max_coefficients, n_outputs)));
  if (curve.coefficients == 0) coefficients.fail("1 or more");
  curve.offset = read_signed_numbers(json.at("offset"), knots);
  const std::vector<Json> rows = json.at("basis").array(knots);
  if (rows.size() != knots) json.at("basis").fail("a list of " + std::to_string(knots) + " rows");
  for (const Json& row : rows) {
    const std::vector<double> numbers = read_numbers(row, curve.coefficients);
    curve.basis.insert(curve.basis.end(), numbers.begin(), numbers.end());
  }
  if (const Json gate = json.at("gate"); !gate.is_null()) {
    check_keys(gate, {"output", "rest"});
    curve.gate = static_cast<std::size_t>(gate.at("output").integer(n_outputs - 1));
    if (*curve.gate < curve.coefficients) {
      gate.at("output").fail("behind the " + std::to_string(curve.coefficients) + " coefficients");
    }
    curve.rest = read_signed_numbers(gate.at("rest"), knots);
  }
  if (const Json range = json.at("range"); !range.is_null()) {
    const std::vector<double> ends = read_signed_numbers(range, 2);
    if (!(ends[0] < ends[1])) range.fail("two numbers, the lower one first");
    curve.range.emplace(ends[0], ends[1]);
  }
  if (const Json noise = json.at("noise"); !noise.is_null()) {
    curve.noise = read_numbers(noise, knots);
    if (*std::min_element(curve.noise.begin(), curve.noise.end()) < 0) noise.fail("0 or more");
  }
  if (link.regime) json.fail("without a regime in the target's link");
  const bool positive = !link.inverse.empty() && link.inverse[0] <= Step::reciprocal;
  if (!link.inverse.empty() && (!curve.range || (positive && !(curve.range->first > 0)))) {
    json.at("range").fail(positive ? "above 0, as the target's link needs"
                                   : "two numbers, as the target's link needs");
  }
  return curve;
}

inline SeedNoise read_seed_noise(const Json& json, const Target& target) {
  check_keys(json, {"output", "calibration"});
  SeedNoise noise;
  const std::string name = json.at("output").string();
  while (noise.output < target.outputs.size() && target.outputs[noise.output].name != name) {
    ++noise.output;
  }
  if (noise.output == target.outputs.size()) {
    json.at("output").fail("the name of an output, not '" + excerpt(name) + "'");
  }
  noise.calibration = read_calibration(json.at("calibration"));
  return noise;
}

// What `read_card` leaves to be read of a target of several outputs; of all others, that they have
// none.
inline void read_outputs(const Json& json, const SearchSpace& space, Target& target) {
  if (!is_vector(target)) {
    for (const char* key : {"outputs", "curve", "seed_noise"}) {
      if (const auto found = json.find(key)) {
        found->fail("absent, as the form is '" + excerpt(target.form) + "'");
      }
    }
    return;
  }
  if (!target.link) json.fail("an object with the key 'tables', as its form is 'vector'");
  const Json outputs = json.at("outputs");
  for (const Json& output : outputs.array(max_outputs)) {
    target.outputs.push_back(read_output(output, space));
    for (std::size_t k = 0; k + 1 < target.outputs.size(); ++k) {
      if (target.outputs[k].name == target.outputs.back().name) {
        output.at("name").fail("of no other output, not '" + target.outputs[k].name + "'");
      }
    }
  }
  if (target.outputs.empty()) outputs.fail("one or more");
  if (const auto curve = json.find("curve")) {
    target.curve = read_curve(*curve, *target.link, target.outputs.size());
  } else {
    const Output& first = target.outputs[0];
    if (first.unit != target.unit || first.direction != target.direction ||
        !(first.link == *target.link)) {
      json.fail("of unit, direction and link of its first output, as it has no curve");
    }
  }
  if (const auto noise = json.find("seed_noise")) {
    target.seed_noise = read_seed_noise(*noise, target);
  }
}

}  // namespace anb::detail

#endif  // ANB_OUTPUTS_HPP

// manifest.json: which targets a folder of artifacts holds, and what a client must know of them.
// No dependencies; C++17. The keys are described in docs/embedding.md.
#ifndef ANB_MANIFEST_HPP
#define ANB_MANIFEST_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>


namespace anb {

struct GoldenArray {
  std::string target, name, dtype;  // target: "" for the architectures
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;
};

// The file of golden vectors.
struct Golden {
  std::string file, sha256;
  std::uint64_t bytes = 0, n = 0;
  std::vector<GoldenArray> arrays;

  const GoldenArray& find(const std::string& target, const std::string& name) const {
    for (const GoldenArray& array : arrays) {
      if (array.target == target && array.name == name) return array;
    }
    throw Error("the golden vectors hold no " + name + (target.empty() ? "" : " of " + target));
  }
};

namespace detail {

inline void read_file_facts(const Json& json, std::string& file, std::string& sha256,
                            std::uint64_t& bytes) {
  file = json.at("file").string();
  // A plain name: what a manifest says must not lead out of its folder.
  if (file.empty() || file == "." || file == ".." ||
      file.find_first_of(std::string("/\\:\0", 4)) != std::string::npos) {
    json.at("file").fail("a plain file name, not '" + excerpt(file) + "'");
  }
  sha256 = json.at("sha256").string();
  if (sha256.size() != 64 || sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    json.at("sha256").fail("64 hexadecimal digits, not '" + excerpt(sha256, 80) + "'");
  }
  bytes = json.at("bytes").integer(max_stated);
}

// With sums of int32, every step of a link stays inside float64.
inline double read_scale(const Json& json) {
  const double scale = json.number();
  if (!(std::fabs(scale) >= 0x1p-500 && std::fabs(scale) <= 0x1p95)) {
    json.fail("from 2^-500 to 2^95 in size");
  }
  return scale;
}

inline double read_shift(const Json& json) {
  const double shift = json.number();
  if (!(std::fabs(shift) <= 0x1p126)) json.fail("at most 2^126 in size");
  return shift;
}

inline Tables read_tables(const Json& json, const Target& target) {
  Tables tables;
  tables.offset = json.at("offset").integer(max_stated);
  tables.entries = json.at("entries").integer(Terms::max_entries);
  if (tables.entries != target.terms->entries()) {
    json.at("entries").fail(std::to_string(target.terms->entries()) + " as the terms have, not " +
                            std::to_string(tables.entries));
  }
  const std::size_t n_outputs = is_vector(target) ? target.outputs.size() : 1;
  if (is_vector(target)) {
    check_keys(json, {"offset", "entries", "members", "outputs", "scale", "shift"});
    if (json.at("outputs").integer(max_outputs) != n_outputs) {
      json.at("outputs").fail(std::to_string(n_outputs) + ", as many as there are outputs");
    }
    for (const Json& scale : json.at("scale").array(n_outputs)) {
      tables.scales.push_back(read_scale(scale));
    }
    for (const Json& shift : json.at("shift").array(n_outputs)) {
      tables.shifts.push_back(read_shift(shift));
    }
    if (tables.scales.size() != n_outputs || tables.shifts.size() != n_outputs) {
      json.fail("of a scale and a shift for each output");
    }
  } else {
    tables.scale = read_scale(json.at("scale"));
    tables.shift = read_shift(json.at("shift"));
  }
  if (json.at("members").integer(Target::max_members) != target.members) {
    json.at("members").fail(std::to_string(target.members) + " as in the target's members");
  }
  const std::uint64_t end = tables.offset + 4 * tables.entries * target.members * n_outputs;
  if (end > target.bytes) {
    json.fail("within the file's " + std::to_string(target.bytes) + " bytes; they end at " +
              std::to_string(end));
  }
  return tables;
}

inline Target read_target(const std::string& benchmark, const std::string& name, const Json& json,
                          const SearchSpace& space) {
  Target target;
  target.benchmark = benchmark;
  target.name = check_name(json, name);
  const auto tables = json.find("tables");
  read_card(json, space, tables.has_value(), target);
  read_outputs(json, space, target);
  read_file_facts(json, target.file, target.sha256, target.bytes);
  if (tables) target.tables = read_tables(*tables, target);
  return target;
}

inline GoldenArray read_golden_array(const Json& json, std::uint64_t file_bytes) {
  GoldenArray array;
  if (!json.at("target").is_null()) array.target = read_name(json, "target");
  array.name = json.at("name").string();
  array.dtype = json.at("dtype").string();
  array.offset = json.at("offset").integer(max_stated);
  if (array.dtype != "uint8" && array.dtype != "float32") {
    json.at("dtype").fail("uint8 or float32, not '" + excerpt(array.dtype) + "'");
  }
  std::uint64_t bytes = array.dtype == "uint8" ? 1 : 4;
  for (const Json& size : json.at("shape").array(8)) {
    array.shape.push_back(size.integer(max_stated));
    if (array.shape.back() && bytes > max_stated / array.shape.back()) size.fail("smaller");
    bytes *= array.shape.back();
  }
  if (array.offset + bytes > file_bytes) {
    json.fail("within the file's " + std::to_string(file_bytes) + " bytes");
  }
  return array;
}

inline Golden read_golden(const Json& json) {
  Golden golden;
  read_file_facts(json, golden.file, golden.sha256, golden.bytes);
  golden.n = json.at("n").integer(max_stated);
  if (json.at("byte_order").string() != "little") json.at("byte_order").fail("little");
  std::set<std::pair<std::string, std::string>> seen;
  for (const Json& item : json.at("arrays").array()) {
    golden.arrays.push_back(read_golden_array(item, golden.bytes));
    const GoldenArray& array = golden.arrays.back();
    if (!seen.insert({array.target, array.name}).second) item.fail("listed once");
  }
  return golden;
}

// Whether something of that name is there, be it only a link to nothing.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

// The schema comes first: under another one, everything else may mean something else.
inline void check_schema(const Json& document) {
  const Json json = document.at("schema");
  const std::uint64_t found = json.integer(UINT32_MAX);
  if (found == schema) return;
  json.fail(std::to_string(schema) + ", not " + std::to_string(found) +
            mend_schema(found));
}

}  // namespace detail

// What one benchmark's manifest.json lists. A *root* is a folder of such folders, each called as its
// benchmark.
class Manifest {
 public:
  static constexpr std::size_t max_targets = 4096;
  static constexpr const char* default_benchmark = "accel-nasbench";

  // Reads the manifest.json of a benchmark's own folder.
  static Manifest read(const std::filesystem::path& folder,
                       const Limits& limits = Limits::from_environment()) {
    return Manifest(folder, document_of(folder, limits), limits);
  }

  // Reads a benchmark of a folder, which is the benchmark's own or a root. Without a name,
  // accel-nasbench if it is there, or else the only one.
  static Manifest open(const std::filesystem::path& folder, std::string benchmark = "",
                       const Limits& limits = Limits::from_environment()) {
    const bool own = detail::is_there(folder / "manifest.json");
    const std::vector<std::string> names = benchmarks(folder, limits);
    const auto has = [&](const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (benchmark.empty()) {
      benchmark = has(default_benchmark) ? default_benchmark : names[0];
      if (names.size() > 1 && benchmark != default_benchmark) {
        throw Error(folder.string() + " holds several benchmarks, name one of: " + show(names));
      }
    }
    if (!has(benchmark)) {
      throw Error("unknown benchmark '" + detail::excerpt(benchmark) + "'; valid benchmarks of " +
                  folder.string() + ": " + show(names));
    }
    Manifest manifest = read(own ? folder : folder / benchmark, limits);
    if (manifest.benchmark() != benchmark) {
      throw Error((folder / benchmark).string() + " is not called as its benchmark, '" +
                  manifest.benchmark() + "': rename it to that");
    }
    return manifest;
  }

  // The names of the benchmarks of a folder, which is a benchmark's own or a root; sorted. Throws if
  // there is none.
  static std::vector<std::string> benchmarks(const std::filesystem::path& folder,
                                             const Limits& limits = Limits::from_environment()) {
    if (detail::is_there(folder / "manifest.json")) {
      return {read_name(document_of(folder, limits))};
    }
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      const bool found =
          detail::is_benchmark(name) && detail::is_there(entry->path() / "manifest.json");
      if (found) names.push_back(name);
    }
    if (error) throw Error(folder.string() + " cannot be read (" + error.message() + ")");
    if (names.empty()) {
      throw Error(folder.string() + " is a folder without manifest.json, and so are all in it");
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // `text` is the JSON document; the files it lists are looked for in `folder`.
  Manifest(std::filesystem::path folder, const std::string& text,
           const Limits& limits = Limits::from_environment())
      : Manifest(folder, Json::parse(text, (folder / "manifest.json").string()), limits) {}

  const std::filesystem::path& folder() const { return folder_; }
  const std::string& benchmark() const { return benchmark_; }
  const SearchSpace& space() const { return space_; }
  const std::vector<Target>& targets() const { return targets_; }
  const std::optional<Golden>& golden() const { return golden_; }

  const Target& find(const std::string& name) const {
    std::string names;
    for (const Target& target : targets_) {
      if (target.name == name) return target;
      names += (names.empty() ? "" : ", ") + target.name;
    }
    throw Error("unknown target '" + detail::excerpt(name) + "'; valid targets: " +
                detail::excerpt(names, 1000));
  }

  // The content of a target's file or of the golden vectors, once size and SHA-256 are right.
  Bytes read_listed(const Target& target) const {
    return read_listed(target, limits_.artifact, Limits::artifact_variable);
  }
  Bytes read_listed(const Golden& golden) const {
    return read_listed(golden, limits_.golden, Limits::golden_variable);
  }

 private:
  Manifest(std::filesystem::path folder, const Json& document, const Limits& limits)
      : folder_(std::move(folder)),
        limits_(limits),
        benchmark_(read_name(document)),
        space_(detail::read_space(document.at("search_space"))) {
    const Json targets = document.at("targets");
    const std::vector<std::string> names = targets.names();
    const std::vector<Json> entries = targets.items();
    if (names.size() > max_targets) {
      targets.fail("an object of at most " + std::to_string(max_targets) + " targets, not " +
                   std::to_string(names.size()));
    }
    std::set<std::string> files;
    for (std::size_t i = 0; i < names.size(); ++i) {
      targets_.push_back(detail::read_target(benchmark_, names[i], entries[i], space_));
      if (!files.insert(targets_.back().file).second) {
        entries[i].at("file").fail("a file of no other target, not '" + targets_.back().file + "'");
      }
    }
    if (const auto golden = document.find("golden")) golden_ = detail::read_golden(*golden);
  }

  static Json document_of(const std::filesystem::path& folder, const Limits& limits) {
    const std::filesystem::path path = folder / "manifest.json";
    const Bytes content = read_file(path, limits.manifest, Limits::manifest_variable);
    return Json::parse(std::string(content.begin(), content.end()), path.string());
  }

  static std::string read_name(const Json& document) {
    detail::check_schema(document);
    return detail::read_benchmark(document);
  }

  static std::string show(const std::vector<std::string>& names) {
    std::string shown;
    for (const std::string& name : names) shown += (shown.empty() ? "" : ", ") + name;
    return detail::excerpt(shown, 1000);
  }

  template <class Listed>
  Bytes read_listed(const Listed& listed, std::uint64_t limit, const char* variable) const {
    const std::filesystem::path path = folder_ / listed.file;
    Bytes content = read_file(path, limit, variable);
    if (content.size() != listed.bytes) {
      throw Error(path.string() + " is damaged: expected " + std::to_string(listed.bytes) +
                  " bytes, found " + std::to_string(content.size()));
    }
    const std::string found = anb::sha256(content);
    if (found != listed.sha256) {
      throw Error(path.string() + " is damaged: expected sha256 " + listed.sha256 + ", found " +
                  found);
    }
    return content;
  }

  std::filesystem::path folder_;
  Limits limits_;
  std::string benchmark_;
  SearchSpace space_;
  std::vector<Target> targets_;
  std::optional<Golden> golden_;
};

}  // namespace anb

#endif  // ANB_MANIFEST_HPP

// Protocol buffer messages, as far as ONNX files need them (onnx/onnx.proto). No dependencies; C++17.
#ifndef ANB_PROTOBUF_HPP
#define ANB_PROTOBUF_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>


namespace anb::detail {

// A little-endian 32-bit word of a file.
inline std::uint32_t read_word(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 |
         std::uint32_t{bytes[3]} << 24;
}

// The fields of a protocol buffer message, one after the other.
class Fields {
 public:
  Fields(std::string_view message, const std::string& file) : left_(message), file_(file) {}

  std::uint64_t number = 0, value = 0;  // value: of fields that are an integer
  std::string_view content;             // of fields that have a length
  bool has_content = false;

  // Goes to the next field; false if there is none.
  bool next() {
    if (left_.empty()) return false;
    const std::uint64_t tag = varint();
    number = tag >> 3;
    has_content = (tag & 7) == 2;
    value = 0;
    content = {};
    switch (tag & 7) {
      case 0: value = varint(); break;
      case 1: take(8); break;
      case 2: content = take(varint()); break;
      case 5: take(4); break;
      default: fail("unknown kind of field " + std::to_string(tag & 7));
    }
    return true;
  }

  bool empty() const { return left_.empty(); }

  // An integer of seven bits a byte, which is what comes next.
  std::uint64_t varint() {
    std::uint64_t result = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (left_.empty()) fail("it ends within a field");
      const auto byte = static_cast<unsigned char>(left_[0]);
      left_.remove_prefix(1);
      result |= shift < 64 ? std::uint64_t{byte & 0x7Fu} << shift : 0;
      if (byte < 0x80) return result;
    }
    fail("a number of more than ten bytes");
  }

  // The content of a field that may occur once only.
  void once(std::optional<std::string_view>& found) const {
    if (found || !has_content) fail("field " + std::to_string(number) + " twice, or of no length");
    found = content;
  }
  void once(std::optional<std::uint64_t>& found) const {
    if (found || has_content) fail("field " + std::to_string(number) + " twice, or no integer");
    found = value;
  }

  // Appends integers, which come one by one or packed into one field; a few only.
  void add_integers(std::vector<std::uint64_t>& found) const {
    Fields packed(content, file_);
    if (!has_content) found.push_back(value);
    while (!packed.empty() && found.size() <= 8) found.push_back(packed.varint());
    if (found.size() > 8) fail("more than eight integers");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(file_ + " is no valid ONNX file (" + what + ")");
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > left_.size()) fail("a field ends after its message");
    const std::string_view taken = left_.substr(0, static_cast<std::size_t>(size));
    left_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view left_;
  const std::string& file_;
};

// A TensorProto that holds its values as bytes.
struct Tensor {
  static constexpr std::uint64_t int32 = 6, float64 = 11;

  std::optional<std::uint64_t> type;
  std::optional<std::string_view> name, raw;
  std::vector<std::uint64_t> shape;
  bool elsewhere = false;  // its values lie in another file

  static Tensor read(std::string_view message, const std::string& file) {
    Tensor tensor;
    Fields field(message, file);
    while (field.next()) {
      if (field.number == 1) {
        field.add_integers(tensor.shape);
      } else if (field.number == 2) {
        field.once(tensor.type);
      } else if (field.number == 8) {
        field.once(tensor.name);
      } else if (field.number == 9) {
        field.once(tensor.raw);
      } else if (field.number == 13 || field.number == 14) {
        tensor.elsewhere |= field.has_content || field.value != 0;
      }
    }
    return tensor;
  }

  // Whether there are four bytes for each value of a matrix.
  bool fits_shape() const {
    const std::uint64_t rows = shape[0], columns = shape[1], words = raw->size() / 4;
    return raw->size() % 4 == 0 && rows > 0 && columns > 0 && words % columns == 0 &&
           words / columns == rows;
  }
};

}  // namespace anb::detail

#endif  // ANB_PROTOBUF_HPP

// What the graph of a table-form ONNX file computes, compared with what its tables, link and search
// space mean. No dependencies; C++17.
//
// Values are numbered by what they are: an operator with its attributes, of numbered inputs, or a
// constant. So neither names nor the order of nodes matter; what a graph should compute is written
// down with the same numbers, and its outputs must have them.
#ifndef ANB_GRAPH_HPP
#define ANB_GRAPH_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>


namespace anb::detail {

class Graph {
 public:
  // `message` is a GraphProto; `file` names the file in errors. Both must outlive this. `terms` says
  // how many values there may be.
  Graph(std::string_view message, const std::string& file, const Terms& terms) : file_(file) {
    std::size_t most_values = most_other_values;
    for (const Term& term : terms.list()) most_values += 3 * term.blocks.size() + 4;
    set_name("architectures", number("input"));
    Fields field(message, file_);
    std::vector<std::string_view> nodes;
    while (field.next()) {
      if (field.number == 1) nodes.push_back(field.content);
      if (field.number == 5) add_constant(field.content);
      if (std::max(nodes.size(), names_.size()) > most_values) field.fail("its graph has too many values");
    }
    for (const std::string_view node : nodes) add_node(node);
  }

  // The initializer that holds the tables; throws if there is none.
  const Tensor& tables() const {
    if (!tables_.raw) fail("its graph has no initializer 'tables'");
    return tables_;
  }

  // Whether mean, std and members are what docs/embedding.md defines.
  bool computes(const SearchSpace& space, const Target& target) {
    const Id total = operate("Cast", {sum_of_terms(space, *target.terms)}, "to", {Tensor::float64});
    const Tables& tables = *target.tables;
    if (target.outputs.empty()) {
      const Id y = predictions(*target.link, total, tables.scale, tables.shift);
      return are_outputs(y, target.members, "mean", "std", "members");
    }
    std::vector<Id> outputs, columns;
    for (std::size_t k = 0; k < target.outputs.size(); ++k) {
      const Id own = operate("Gather", {total, range(k * target.members, target.members)}, "axis", {1});
      outputs.push_back(
          predictions(target.outputs[k].link, own, tables.scales[k], tables.shifts[k]));
      columns.push_back(column(outputs.back()));
    }
    const Id joined = columns.size() == 1 ? columns[0] : operate("Concat", columns, "axis", {2});
    Id y = outputs[0];
    bool right = are_outputs(joined, target.members, "output_means", "output_stds", "output_members");
    if (target.curve) {
      const Id curve = curve_of(*target.curve, *target.link, outputs);
      right = right && are_outputs(curve, target.members, "curve_mean", "curve_std", "curve_members");
      y = operate("Gather", {curve, integer(target.curve->at.size() - 1)}, "axis", {2});
    }
    return right && are_outputs(y, target.members, "mean", "std", "members");
  }

 private:
  using Id = std::uint32_t;

  static constexpr std::size_t most_other_values = 50'000;  // as the Python package
  static constexpr std::size_t most_node_bytes = 4096;
  static constexpr std::uint64_t float32 = 1, int64 = 7, boolean = 9;

  [[noreturn]] void fail(const std::string& what) const { Fields({}, file_).fail(what); }

  // The number of what a key says, the same for the same key.
  Id number(const std::string& key) {
    return numbers_.emplace(key, static_cast<Id>(numbers_.size() + 1)).first->second;
  }

  // Parts of a key have their lengths before them, so that no two keys are spelt alike.
  static void add_part(std::string& key, std::string_view part) {
    key += std::to_string(part.size()) + ':';
    key += part;
  }
  static void add_part(std::string& key, std::uint64_t part) {
    add_part(key, std::string_view(std::to_string(part)));
  }

  Id constant(std::uint64_t type, const std::vector<std::uint64_t>& shape, std::string_view raw) {
    std::string key = "constant ";
    add_part(key, type);
    add_part(key, shape.size());
    for (const std::uint64_t size : shape) add_part(key, size);
    add_part(key, raw);
    return number(key);
  }

  template <class Value>
  static std::string little_endian(Value value) {
    std::uint64_t bits = 0;
    if constexpr (sizeof(Value) == 4) {
      std::uint32_t word;
      std::memcpy(&word, &value, 4);
      bits = word;
    } else {
      std::memcpy(&bits, &value, 8);
    }
    std::string bytes;
    for (std::size_t i = 0; i < sizeof(Value); ++i) bytes += static_cast<char>(bits >> (8 * i));
    return bytes;
  }

  Id real(double value) { return constant(Tensor::float64, {}, little_endian(value)); }
  Id integer(std::size_t value) {
    return constant(int64, {}, little_endian(static_cast<std::uint64_t>(value)));
  }
  Id short_integer(std::uint64_t value) {
    return constant(Tensor::int32, {}, little_endian(static_cast<std::uint32_t>(value)));
  }
  Id integers(std::size_t value) {
    return constant(int64, {1}, little_endian(static_cast<std::uint64_t>(value)));
  }

  Id reals(const std::vector<double>& values) {
    std::string bytes;
    for (const double value : values) bytes += little_endian(value);
    return constant(Tensor::float64, {values.size()}, bytes);
  }
  // The integers from `first` on.
  Id range(std::size_t first, std::size_t count) {
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) {
      bytes += little_endian(static_cast<std::uint64_t>(first + i));
    }
    return constant(int64, {count}, bytes);
  }

  // An operator; `attribute` is the one it has, if any: an integer, or several.
  Id operate(std::string_view operation, const std::vector<Id>& inputs,
             std::string_view attribute = "", const std::vector<std::uint64_t>& value = {}) {
    return operate(operation, inputs, attribute, value, value.size() > 1);
  }

  Id operate(std::string_view operation, const std::vector<Id>& inputs, std::string_view attribute,
             const std::vector<std::uint64_t>& value, bool several) {
    std::string key = "operator ";
    add_part(key, operation);
    if (!attribute.empty()) add_attribute(key, attribute, several, value);
    key += "of ";
    for (const Id input : inputs) add_part(key, input);
    return number(key);
  }

  static void add_attribute(std::string& key, std::string_view name, bool several,
                            const std::vector<std::uint64_t>& values) {
    key += several ? "list " : "integer ";
    add_part(key, name);
    add_part(key, values.size());
    for (const std::uint64_t value : values) add_part(key, value);
  }

  void set_name(std::string_view name, Id id) {
    if (!names_.emplace(name, id).second) fail("the name '" + excerpt(name) + "' is given twice");
  }

  void add_constant(std::string_view message) {
    const Tensor tensor = Tensor::read(message, file_);
    if (!tensor.name || !tensor.raw || !tensor.type || tensor.elsewhere) {
      fail("a constant without name, type or bytes");
    }
    if (*tensor.name != "tables") {
      return set_name(*tensor.name, constant(*tensor.type, tensor.shape, *tensor.raw));
    }
    if (tensor.type != Tensor::int32 || tensor.shape.size() != 2 || !tensor.fits_shape()) {
      fail("its initializer 'tables' is not int32 [entries, members]");
    }
    set_name("tables", number("tables"));
    tables_ = tensor;
  }

  void add_node(std::string_view message) {
    if (message.size() > most_node_bytes) fail("an operator takes too many bytes");
    std::optional<std::string_view> operation, output, domain;
    std::vector<Id> inputs;
    std::string attributes;
    Fields field(message, file_);
    while (field.next()) {
      if (field.number == 1) {
        const auto known = names_.find(field.content);
        if (known == names_.end()) {
          fail("'" + excerpt(field.content) + "' is read before it is computed");
        }
        inputs.push_back(known->second);
      } else if (field.number == 2) {
        field.once(output);
      } else if (field.number == 4) {
        field.once(operation);
      } else if (field.number == 5) {
        read_attribute(field.content, attributes);
      } else if (field.number == 7) {
        field.once(domain);
      }
    }
    if (!operation || !output || !domain.value_or("").empty()) {
      fail("an operator without a name, an output or of another domain");
    }
    std::string key = "operator ";
    add_part(key, *operation);
    key += attributes + "of ";
    for (const Id input : inputs) add_part(key, input);
    set_name(*output, number(key));
  }

  void read_attribute(std::string_view message, std::string& key) const {
    std::string_view name;
    std::vector<std::uint64_t> values;
    bool several = false;
    Fields field(message, file_);
    while (field.next()) {
      if (field.number == 1) {
        name = field.content;
      } else if (field.number == 3 && !field.has_content) {
        values = {field.value};
      } else if (field.number == 8) {
        several = true;
        field.add_integers(values);
      } else if (field.number != 20) {
        fail("attribute '" + excerpt(name) + "' is not an integer");
      }
    }
    add_attribute(key, name, several, values);
  }

  Id sum(const std::vector<Id>& values) {
    Id total = values.at(0);
    for (std::size_t i = 1; i < values.size(); ++i) total = operate("Add", {total, values[i]});
    return total;
  }

  // Blocks of more symbols than this have theirs computed in integers: short floats hold no more.
  static constexpr std::uint64_t most_float_symbols = 256;

  // The matrix that makes the symbols of all blocks of the codes of all genes; zeros for those that
  // are computed in integers.
  std::string weights(const SearchSpace& space) const {
    std::string bytes;
    std::size_t first = 0;
    for (const Block& block : space.blocks()) {
      std::vector<float> row(space.genes().size());
      std::size_t place = block.size() <= most_float_symbols ? 1 : 0;
      for (std::size_t gene = block.genes.size(); gene-- > 0;) {
        row[first + gene] = static_cast<float>(place);
        place *= block.genes[gene].choices.size();
      }
      first += block.genes.size();
      for (const float weight : row) bytes += little_endian(weight);
    }
    return bytes;
  }

  // One value for each block: int32 [n].
  std::vector<Id> symbols_of(const SearchSpace& space) {
    const std::vector<Block>& blocks = space.blocks();
    const Id codes = operate("Transpose", {number("input")}, "perm", {1, 0});
    const Id floats = operate("Cast", {codes}, "to", {float32});
    const Id integers = operate("Cast", {codes}, "to", {Tensor::int32});
    const Id matrix = constant(float32, {blocks.size(), space.genes().size()}, weights(space));
    const Id products =
        operate("Cast", {operate("MatMul", {matrix, floats})}, "to", {Tensor::int32});
    std::vector<Id> symbols;
    std::size_t first = 0;
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      const bool by_floats = blocks[block].size() <= most_float_symbols;
      symbols.push_back(by_floats
                            ? operate("Gather", {products, integer(block)}, "axis", {0})
                            : integer_symbol(blocks[block], integers, first));
      first += blocks[block].genes.size();
    }
    return symbols;
  }

  // The symbol of a block whose genes begin at `first`, from the codes of all genes as int32.
  Id integer_symbol(const Block& block, Id codes, std::size_t first) {
    Id symbol = 0;
    for (std::size_t gene = 0; gene < block.genes.size(); ++gene) {
      const Id code = operate("Gather", {codes, integer(first + gene)}, "axis", {0});
      symbol = gene == 0 ? code : next_digit(symbol, block.genes[gene].choices.size(), code);
    }
    return symbol;
  }

  // One more digit of a number in mixed radix.
  Id next_digit(Id digits, std::uint64_t size, Id digit) {
    return operate("Add", {operate("Mul", {digits, short_integer(size)}), digit});
  }

  Id sum_of_terms(const SearchSpace& space, const Terms& terms) {
    const std::vector<Id> symbols = symbols_of(space);
    std::vector<Id> found;
    for (const Term& term : terms.list()) {
      Id index = symbols[term.blocks[0]];
      for (std::size_t i = 1; i < term.blocks.size(); ++i) {
        const std::size_t block = term.blocks[i];
        index = next_digit(index, space.blocks()[block].size(), symbols[block]);
      }
      const Id table = operate("Slice", {number("tables"), integers(term.offset),
                                         integers(term.offset + term.entries), integers(0)});
      found.push_back(operate("Gather", {table, index}, "axis", {0}));
    }
    return sum(found);
  }

  Id rows_inside(const Regime& regime) {
    const std::string inside(regime.inside.begin(), regime.inside.end());
    const Id code = operate("Gather", {number("input"), integer(regime.gene)}, "axis", {1});
    return operate("Gather", {constant(boolean, {inside.size(), 1}, inside),
                              operate("Cast", {code}, "to", {Tensor::int32})},
                   "axis", {0});
  }

  Id invert(const Link& link, Id y, Id inside) {
    auto hinge = link.hinges.begin();
    std::size_t bend = 0;
    const auto bent = [&](const Hinge& here) {
      const Id above = operate("Max", {operate("Sub", {y, real(here.knot)}), real(0.0)});
      return operate("Add", {y, operate("Mul", {above, real(here.change)})});
    };
    for (const Step step : link.inverse) {
      switch (step) {
        case Step::square: y = operate("Mul", {y, y}); break;
        case Step::sqrt: y = operate("Sqrt", {y}); break;
        case Step::reciprocal: y = operate("Div", {real(1.0), y}); break;
        case Step::reflect: y = operate("Sub", {real(link.offset), y}); break;
        case Step::hinge: y = bent(*hinge++); break;
        case Step::regime:
          y = operate("Where", {inside, bent(link.regime->hinges[bend++]), y});
          break;
      }
    }
    return y;
  }

  // What members predict, [N, M], from what their tables add up to.
  Id predictions(const Link& link, Id total, double scale, double shift) {
    const Id u = operate("Add", {operate("Mul", {total, real(scale)}), real(shift)});
    return invert(link, u, link.regime ? rows_inside(*link.regime) : 0);
  }

  // [N, M] as [N, M, 1].
  Id column(Id value) { return operate("Unsqueeze", {value}, "axes", {2}, true); }

  // The members' curves at all knots, [N, M, T].
  Id curve_of(const CurveForm& curve, const Link& link, const std::vector<Id>& outputs) {
    Id z = reals(curve.offset);
    for (std::size_t j = 0; j < curve.coefficients; ++j) {
      std::vector<double> basis;
      for (std::size_t i = j; i < curve.basis.size(); i += curve.coefficients) {
        basis.push_back(curve.basis[i]);
      }
      z = operate("Add", {z, operate("Mul", {column(outputs[j]), reals(basis)})});
    }
    if (curve.gate) {
      const Id above = operate("Max", {outputs[*curve.gate], real(0.0)});
      const Id gate = column(operate("Min", {above, real(1.0)})), rest = reals(curve.rest);
      z = operate("Add", {rest, operate("Mul", {gate, operate("Sub", {z, rest})})});
    }
    if (curve.range) {
      z = operate("Max", {z, real(curve.range->first)});
      z = operate("Min", {z, real(curve.range->second)});
    }
    return invert(link, z, 0);
  }

  // Whether outputs are mean, std and members of values [N, M] or [N, M, ...].
  bool are_outputs(Id y, std::size_t n_members, const char* mean_name, const char* std_name,
                   const char* members_name) {
    std::vector<Id> members, squares;
    for (std::size_t m = 0; m < n_members; ++m) {
      members.push_back(operate("Gather", {y, integer(m)}, "axis", {1}));
    }
    const Id count = real(static_cast<double>(n_members));
    const Id mean = operate("Div", {sum(members), count});
    for (const Id member : members) {
      const Id deviation = operate("Sub", {member, mean});
      squares.push_back(operate("Mul", {deviation, deviation}));
    }
    const Id std = operate("Sqrt", {operate("Div", {sum(squares), count})});
    return is_output(mean_name, mean) && is_output(std_name, std) && is_output(members_name, y);
  }

  bool is_output(std::string_view name, Id value) {
    const auto found = names_.find(name);
    return found != names_.end() && found->second == operate("Cast", {value}, "to", {float32});
  }

  const std::string& file_;
  std::unordered_map<std::string, Id> numbers_;
  std::map<std::string_view, Id> names_;
  Tensor tables_;
};

}  // namespace anb::detail

#endif  // ANB_GRAPH_HPP

// What an ONNX file says of itself, compared with what the manifest says of it. No dependencies;
// C++17.
//
// The meaning of the tables stands twice: in the manifest, which people can edit, and in the ONNX
// file, as metadata and as the graph that runtimes compute. Where the two differ one of them is wrong, and
// nothing is predicted. An ONNX file is a protocol buffer message, a ModelProto of onnx/onnx.proto.
#ifndef ANB_ONNX_FILE_HPP
#define ANB_ONNX_FILE_HPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>


namespace anb {
namespace detail {

// An ONNX file as a client reads it: its metadata, and where its graph is.
class OnnxFile {
 public:
  // `content` and `name` must outlive this.
  OnnxFile(const Bytes& content, const std::string& name)
      : content_(reinterpret_cast<const char*>(content.data()), content.size()), name_(name) {
    Fields field(content_, name_);
    std::optional<std::string_view> graph;
    while (field.next()) {
      if (field.number == 7) field.once(graph);
      if (field.number == 14) add_metadata(field);
      if (field.number == 25) fail("it defines functions");
    }
    if (!graph) fail("it holds no graph");
    graph_ = *graph;
  }

  // The model card in the metadata.
  Json card() const {
    const auto schema_text = metadata_.find(schema_key);
    const auto card_text = metadata_.find(card_key);
    if (schema_text == metadata_.end() || card_text == metadata_.end()) {
      throw Error(name_ + " is not an anb_onnx artifact: its metadata lacks 'anb_onnx.schema' or "
                  "'anb_onnx.card'");
    }
    const std::string_view found = schema_text->second;
    if (found != std::to_string(schema)) {
      std::uint64_t number = 0;  // stays that where the text is no number
      std::from_chars(found.data(), found.data() + found.size(), number);
      throw Error(name_ + ": metadata 'anb_onnx.schema' must be " + std::to_string(schema) +
                  ", not '" + excerpt(found) + "'" + mend_schema(number));
    }
    return Json::parse(std::string(card_text->second), name_ + ": metadata 'anb_onnx.card'");
  }

  std::string_view graph() const { return graph_; }

  // The place of a part of the file.
  std::uint64_t place(std::string_view part) const {
    return static_cast<std::uint64_t>(part.data() - content_.data());
  }

  [[noreturn]] void fail(const std::string& what) const { Fields({}, name_).fail(what); }

 private:
  static constexpr std::string_view schema_key = "anb_onnx.schema", card_key = "anb_onnx.card";

  // Of what is read of the metadata; other entries may be any number, and are passed over.
  void add_metadata(const Fields& field) {
    std::optional<std::string_view> key, value;
    Fields part(field.content, name_);
    while (part.next()) {
      if (part.number == 1) part.once(key);
      if (part.number == 2) part.once(value);
    }
    const std::string_view name = key.value_or("");
    if (name != schema_key && name != card_key) return;
    if (!metadata_.emplace(name, value.value_or("")).second) {
      fail("metadata '" + excerpt(name) + "' twice");
    }
  }

  std::string_view content_, graph_;
  const std::string& name_;
  std::map<std::string_view, std::string_view> metadata_;
};

// A prediction of the link's scale in the target's unit.
inline double invert(const Link& link, double y, bool inside) {
  auto hinge = link.hinges.begin();
  std::size_t bend = 0;
  const auto bent = [&](const Hinge& here) {
    return y + std::max(y - here.knot, 0.0) * here.change;
  };
  for (const Step step : link.inverse) {
    switch (step) {
      case Step::square: y = y * y; break;
      case Step::sqrt: y = std::sqrt(y); break;
      case Step::reciprocal: y = 1.0 / y; break;
      case Step::reflect: y = link.offset - y; break;
      case Step::hinge: y = bent(*hinge++); break;
      case Step::regime: {
        const double other = bent(link.regime->hinges[bend++]);
        y = inside ? other : y;
        break;
      }
    }
  }
  return y;
}

// The least and the largest sum of the tables of any member. Throws if a sum of a member, or of a
// part of its tables, could leave int32. An entry has the members of `n_outputs` outputs side by
// side, of which the target is the one of number `output`.
inline std::pair<std::int64_t, std::int64_t> check_sums(const Target& target, const Bytes& onnx,
                                                        std::size_t output = 0,
                                                        std::size_t n_outputs = 1) {
  struct Range {
    std::int64_t least = 0, most = 0;
  };
  const std::uint8_t* bytes = onnx.data() + target.tables->offset + 4 * output * target.members;
  const std::size_t others = 4 * (n_outputs - 1) * target.members;
  std::vector<Range> sums(target.members), parts(target.members);
  for (const Term& term : target.terms->list()) {
    std::vector<Range> table(target.members, {INT32_MAX, INT32_MIN});
    for (std::size_t entry = 0; entry < term.entries; ++entry) {
      for (Range& range : table) {
        const std::uint32_t word = read_word(bytes);
        const std::int64_t value = word < 0x80000000u ? word : word - (std::int64_t{1} << 32);
        range.least = std::min(range.least, value);
        range.most = std::max(range.most, value);
        bytes += 4;
      }
      bytes += others;
    }
    for (std::size_t m = 0; m < target.members; ++m) {
      sums[m].least += table[m].least;
      sums[m].most += table[m].most;
      parts[m].least += std::min<std::int64_t>(table[m].least, 0);
      parts[m].most += std::max<std::int64_t>(table[m].most, 0);
    }
  }
  Range all = sums[0];
  for (std::size_t m = 0; m < target.members; ++m) {
    if (parts[m].least < INT32_MIN || parts[m].most > INT32_MAX) {
      throw Error("sums of the tables of target " + target.name + " do not fit 32 bits");
    }
    all.least = std::min(all.least, sums[m].least);
    all.most = std::max(all.most, sums[m].most);
  }
  return {all.least, all.most};
}

// Throws if a prediction, or an end of its interval, could leave float32; or if none is in the
// link's domain. Returns how large predictions are at most, where that is known.
inline std::optional<double> check_range(const Target& target,
                                         std::pair<std::int64_t, std::int64_t> sums) {
  const double scale = target.tables->scale, shift = target.tables->shift;
  double u[] = {static_cast<double>(sums.first) * scale + shift,
                static_cast<double>(sums.second) * scale + shift};
  std::sort(u, u + 2);
  const Link& link = *target.link;
  const bool positive = !link.inverse.empty() && link.inverse[0] <= Step::reciprocal;
  if (positive && u[1] <= 0) {
    throw Error("no prediction of target " + target.name + " is in the domain of its link");
  }
  // Where the least sum is outside of the domain, nothing follows from it.
  const bool bounded = !positive || u[0] > 0;
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (int end = bounded ? 0 : 1; end < 2; ++end) {
    for (const bool inside : {false, true}) {
      if (inside && !link.regime) continue;
      const double y = invert(link, u[end], inside);
      if (!(std::fabs(y) <= largest)) {
        throw Error("predictions of target " + target.name + " do not fit float32");
      }
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  if (!bounded) return {};
  const double most = std::max(std::fabs(low), std::fabs(high));
  if (!target.calibration) return most;
  const Calibration& calibration = *target.calibration;
  const double widest = std::max(calibration.scale(low, (high - low) / 2),
                                 calibration.scale(high, (high - low) / 2));
  const double half = std::max(calibration.quantiles.back(), 1.0) * widest;
  if (!(most + half <= largest)) {
    throw Error("intervals of target " + target.name + " do not fit float32");
  }
  return most;
}

// Throws if a value of a curve could leave float32; `most` says how large the outputs are.
inline void check_curve(const Target& target, const std::vector<std::optional<double>>& most) {
  const CurveForm& curve = *target.curve;
  const auto fail = [&] {
    throw Error("values of the curve of target " + target.name + " do not fit float32");
  };
  for (std::size_t k = 0; k < most.size(); ++k) {
    if (!most[k] && (k < curve.coefficients || curve.gate == k)) fail();
  }
  for (std::size_t i = 0; i < curve.at.size(); ++i) {
    double value = std::fabs(curve.offset[i]);
    for (std::size_t j = 0; j < curve.coefficients; ++j) {
      value += std::fabs(curve.basis[i * curve.coefficients + j]) * *most[j];
    }
    if (curve.gate) value += std::fabs(curve.rest[i]);
    // Twice as much: what is rounded on the way, and a difference of two values.
    if (!(2 * value <= largest)) fail();
  }
  if (!curve.range) return;
  for (const double end : {curve.range->first, curve.range->second}) {
    if (!(std::fabs(invert(*target.link, end, false)) <= largest / 2)) fail();
  }
}

// The same of all outputs of a target, and of the curve that they make.
inline void check_outputs(const Target& target, const Bytes& onnx) {
  std::vector<std::optional<double>> most;
  for (std::size_t k = 0; k < target.outputs.size(); ++k) {
    Target output = target.output(k);
    const auto sums = check_sums(output, onnx, k, target.outputs.size());
    most.push_back(check_range(output, sums));
    if (k > 0 || target.curve) continue;
    output.calibration = target.calibration;  // the target is that output
    check_range(output, sums);
  }
  if (target.curve) check_curve(target, most);
}

}  // namespace detail

// Throws unless an ONNX file says of itself what its target, an entry of the manifest, says: benchmark,
// search space, metric, device, unit, direction, form, members, terms, link, calibration, exactness,
// outputs, curve, noise between seeds, and of tables their place and shape. Of tables, also what the graph computes with them is compared, and that no
// sum and no prediction can leave its type.
inline void check_file(const SearchSpace& space, const Target& target, const Bytes& onnx) {
  const detail::OnnxFile file(onnx, target.file);
  const auto require = [&](bool same, const char* key) {
    if (!same) {
      throw Error(target.file + " and the manifest's entry of target " + target.name +
                  " differ in '" + key + "': one of them was changed; anb-export writes both anew");
    }
  };
  const Json card = file.card();
  require(detail::read_benchmark(card) == target.benchmark, "benchmark");
  require(detail::read_space(card.at("search_space")) == space, "search_space");
  Target own;
  detail::read_card(card, space, target.tables.has_value(), own);
  detail::read_outputs(card, space, own);
  require(own.metric == target.metric, "metric");
  require(own.device == target.device, "device");
  require(own.unit == target.unit, "unit");
  require(own.direction == target.direction, "direction");
  require(own.form == target.form, "form");
  require(own.members == target.members, "members");
  require(own.terms == target.terms, "terms");
  require(own.link == target.link, "link");
  require(own.calibration == target.calibration, "calibration");
  require(own.exact == target.exact, "exact");
  require(own.outputs == target.outputs, "outputs");
  require(own.curve == target.curve, "curve");
  require(own.seed_noise == target.seed_noise, "seed_noise");
  const std::string name = own.metric + (own.device.empty() ? "" : "_" + own.device);
  if (target.name != name) {
    throw Error("target " + target.name + " of the manifest must be called " + name +
                ", after its metric and device");
  }
  if (!target.tables) return;
  detail::Graph graph(file.graph(), target.file, *own.terms);
  const detail::Tensor& tables = graph.tables();
  require(target.tables->entries == own.terms->entries(), "tables.entries");
  require(tables.shape[0] == target.tables->entries, "tables.entries");
  const std::size_t n_outputs = std::max<std::size_t>(1, target.outputs.size());
  require(tables.shape[1] == n_outputs * target.members, "tables.members");
  require(file.place(*tables.raw) == target.tables->offset, "tables.offset");
  require(graph.computes(space, target), "tables.scale', 'tables.shift' or what the graph computes");
  if (detail::is_vector(target)) return detail::check_outputs(target, onnx);
  detail::check_range(target, detail::check_sums(target, onnx));
}

}  // namespace anb

#endif  // ANB_ONNX_FILE_HPP

// The arithmetic after the integer sums of the tables: float64 steps in a fixed order.
// No dependencies; C++17.
//
// Compile with -ffp-contract=off (or its like): the contract demands that a product is rounded
// before it is added to. `Surrogate` refuses to work in a program that was compiled otherwise.
// -O3 -fno-math-errno lets compilers vectorise; -march=native helps more; no bit depends on these.
#ifndef ANB_ARITHMETIC_HPP
#define ANB_ARITHMETIC_HPP

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>


#if defined(__FAST_MATH__)
#error "-ffast-math changes predictions: compile without it"
#endif
#if FLT_EVAL_METHOD != 0
#error "float64 arithmetic must be that of IEEE 754: compile for SSE2 rather than x87"
#endif

#if defined(__GNUC__)
#define ANB_PREFETCH(address) __builtin_prefetch(address)
#else
#define ANB_PREFETCH(address) static_cast<void>(address)
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
// step with the arithmetic of the one before (measured; 8, 16 and 64 are slower).
inline constexpr std::size_t step_rows = 32;

// Whether this program was compiled to fuse a product with a sum into one rounding.
inline bool fuses_products() {
  volatile double near_one = 1.0 + DBL_EPSILON;
  const double x = near_one, rounded = 1.0 + 2 * DBL_EPSILON;
  return x * x - rounded != 0;  // the product's last bit, which only rounding removes
}

#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define ANB_VECTORS 1
using Vector8 = std::int32_t __attribute__((vector_size(32)));

// One of three rounds that transpose 8 x 8 integers: interleave the first half with the second.
ANB_INLINE void interleave(const Vector8* from, Vector8* to) {
  for (int k = 0; k < 4; ++k) {
    to[2 * k] = __builtin_shufflevector(from[k], from[k + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    to[2 * k + 1] = __builtin_shufflevector(from[k], from[k + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
}
#endif

// Memory for a step of M members; with M = 0 their number is known at run time only.
template <int M>
struct Scratch {
  alignas(64) std::int32_t totals[M * step_rows];  // the members of a row side by side
  alignas(64) std::int32_t lanes[M * step_rows];   // the rows of a member side by side
  alignas(64) double y[M * step_rows];             // likewise
  alignas(64) std::int64_t inside[step_rows];      // 1 for rows inside a regime; as wide as y

  explicit Scratch(std::size_t) {}
};

template <>
struct Scratch<0> {
  std::vector<std::int32_t> totals, lanes;
  std::vector<double> y;
  std::int64_t inside[step_rows];

  explicit Scratch(std::size_t m_count)
      : totals(m_count * step_rows), lanes(totals.size()), y(totals.size()) {}
};

template <int M>
ANB_INLINE void transpose(const std::int32_t* totals, std::size_t m_count, std::int32_t* lanes) {
#if defined(ANB_VECTORS)
  if constexpr (M == 8) {  // compilers know no fast way for this
    for (std::size_t r = 0; r < step_rows; r += 8) {
      Vector8 a[8], b[8], c[8], d[8];
      for (std::size_t k = 0; k < 8; ++k) std::memcpy(&a[k], totals + 8 * (r + k), sizeof a[k]);
      interleave(a, b);
      interleave(b, c);
      interleave(c, d);
      for (std::size_t m = 0; m < 8; ++m) {
        std::memcpy(lanes + m * step_rows + r, &d[m], sizeof d[m]);
      }
    }
    return;
  }
#endif
  for (std::size_t m = 0; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) lanes[m * step_rows + r] = totals[r * m_count + m];
  }
}

// From the totals of a step to what the members predict, vectorised over the rows. R: whether the
// link has a regime; without one, not even code for it may be there, which costs 3 % (measured).
template <int M, bool R>
ANB_INLINE void find_values(Scratch<M>& scratch, std::size_t n_members, const Link& link,
                            const Tables& tables) {
  const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members;
  const std::size_t n = m_count * step_rows;
  const double scale = tables.scale, shift = tables.shift, offset = link.offset;
  const std::int32_t* lanes = &scratch.lanes[0];
  double* y = &scratch.y[0];
  transpose<M>(&scratch.totals[0], m_count, &scratch.lanes[0]);
  for (std::size_t i = 0; i < n; ++i) y[i] = lanes[i] * scale + shift;
  auto hinge = link.hinges.begin();
  [[maybe_unused]] const Hinge* regime_hinge = R ? link.regime->hinges.data() : nullptr;
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
      case Step::regime:
        if constexpr (R) {
          const auto [knot, change] = *regime_hinge++;
          for (std::size_t m = 0; m < m_count; ++m) {
            for (std::size_t r = 0; r < step_rows; ++r) {
              const double before = y[m * step_rows + r], above = before - knot;
              const double bent = before + (above > 0 ? above : 0.0) * change;
              y[m * step_rows + r] = scratch.inside[r] ? bent : before;
            }
          }
        }
        break;
    }
  }
}

// Mean and population standard deviation of a step's values y, the rows of a member side by side;
// and the values themselves, unless `members` is null.
template <int M>
ANB_INLINE void summarise(const double* y, std::size_t n_members, float* mean, float* std,
                          float* members) {
  const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members;
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

// From the totals of a step to its predictions.
template <int M, bool R>
ANB_INLINE void finish(Scratch<M>& scratch, std::size_t n_members, const Link& link,
                       const Tables& tables, float* mean, float* std, float* members) {
  find_values<M, R>(scratch, n_members, link, tables);
  summarise<M>(&scratch.y[0], n_members, mean, std, members);
}

}  // namespace detail

}  // namespace anb

#endif  // ANB_ARITHMETIC_HPP

// Curves from the coefficients that members predict, in float64 steps of a fixed order: what
// docs/reference/format.md says under Curves. No dependencies; C++17.
#ifndef ANB_CURVES_HPP
#define ANB_CURVES_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>


namespace anb::detail {

// Curves of a step of rows. Values of a member lie side by side, those of the next one behind them,
// as in `Scratch`.
class StepCurves {
 public:
  // `outputs` are what the members predict of each output; nothing is asked of those that are
  // neither coefficients nor the gate. All three must outlive this.
  StepCurves(const CurveForm& curve, const Link& link,
             const std::vector<std::vector<double>>& outputs)
      : curve_(curve), link_(link), outputs_(outputs), n_(outputs[0].size()) {}

  // The members' values at a knot.
  void at_knot(std::size_t i, std::vector<double>& y) const {
    y.assign(n_, curve_.offset[i]);
    for (std::size_t j = 0; j < curve_.coefficients; ++j) {
      const double weight = curve_.basis[i * curve_.coefficients + j];
      const double* c = outputs_[j].data();
      for (std::size_t e = 0; e < n_; ++e) y[e] = y[e] + c[e] * weight;
    }
    if (curve_.gate) {
      const double* c = outputs_[*curve_.gate].data();
      const double rest = curve_.rest[i];
      for (std::size_t e = 0; e < n_; ++e) {
        const double above = c[e] > 0 ? c[e] : 0.0, gate = above < 1 ? above : 1.0;
        y[e] = rest + gate * (y[e] - rest);
      }
    }
    if (curve_.range) {
      const auto [low, high] = *curve_.range;
      for (std::size_t e = 0; e < n_; ++e) {
        const double above = y[e] > low ? y[e] : low;
        y[e] = above < high ? above : high;
      }
    }
    invert(y);
  }

  // The members' values at a fidelity.
  void at(double t, std::vector<double>& y) const {
    const std::size_t i = curve_.knot_before(t);
    at_knot(i, y);
    if (curve_.at[i] == t) return;
    const double share = (t - curve_.at[i]) / (curve_.at[i + 1] - curve_.at[i]);
    std::vector<double> next;
    at_knot(i + 1, next);
    for (std::size_t e = 0; e < n_; ++e) y[e] = y[e] + share * (next[e] - y[e]);
  }

  // Where the mean of each row reaches a level first; NaN where it does not.
  void crossing(double level, bool rising, double* found) const {
    std::vector<double> y, before(step_rows), mean(step_rows);
    std::fill(found, found + step_rows, std::numeric_limits<double>::quiet_NaN());
    std::vector<bool> done(step_rows);
    for (std::size_t i = 0; i < curve_.at.size(); ++i) {
      at_knot(i, y);
      find_means(y, mean);
      for (std::size_t r = 0; r < step_rows; ++r) {
        if (done[r] || !(rising ? mean[r] >= level : mean[r] <= level)) continue;
        done[r] = true;
        found[r] = curve_.at[i];
        if (i == 0) continue;
        const double from = curve_.at[i - 1], share = (level - before[r]) / (mean[r] - before[r]);
        found[r] = from + (curve_.at[i] - from) * share;
      }
      std::swap(before, mean);
    }
  }

 private:
  void find_means(const std::vector<double>& y, std::vector<double>& mean) const {
    const std::size_t m_count = n_ / step_rows;
    for (std::size_t r = 0; r < step_rows; ++r) mean[r] = y[r];
    for (std::size_t m = 1; m < m_count; ++m) {
      for (std::size_t r = 0; r < step_rows; ++r) mean[r] += y[m * step_rows + r];
    }
    for (double& value : mean) value /= static_cast<double>(m_count);
  }

  // The inverse link, which has no regime.
  void invert(std::vector<double>& y) const {
    auto hinge = link_.hinges.begin();
    for (const Step step : link_.inverse) {
      switch (step) {
        case Step::square:
          for (double& value : y) value = value * value;
          break;
        case Step::sqrt:
          for (double& value : y) value = std::sqrt(value);
          break;
        case Step::reciprocal:
          for (double& value : y) value = 1.0 / value;
          break;
        case Step::reflect:
          for (double& value : y) value = link_.offset - value;
          break;
        case Step::hinge: {
          const auto [knot, change] = *hinge++;
          for (double& value : y) {
            const double above = value - knot;
            value += (above > 0 ? above : 0.0) * change;
          }
          break;
        }
        case Step::regime: break;
      }
    }
  }

  const CurveForm& curve_;
  const Link& link_;
  const std::vector<std::vector<double>>& outputs_;
  std::size_t n_;
};

}  // namespace anb::detail

#endif  // ANB_CURVES_HPP

// The integer sums of the tables, for any terms over any search space. No dependencies; C++17.
#ifndef ANB_SUMS_HPP
#define ANB_SUMS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>


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

// The integer sums of the tables, unrolled for one search space. No dependencies; C++17.
#ifndef ANB_UNROLLED_HPP
#define ANB_UNROLLED_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>


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
#include <type_traits>
#include <utility>
#include <vector>


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

class Curve;

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
    if (target.outputs.empty()) read_tables(onnx, 0, 1);
    outputs_.reserve(target.outputs.size());
    for (std::size_t k = 0; k < target.outputs.size(); ++k) {
      outputs_.push_back(Surrogate(space, target.output(k), onnx, k, target.outputs.size()));
    }
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
    if (!outputs_.empty()) {
      if (target_.curve) return predict_at(codes, n, target_.curve->at.back(), mean, std, members);
      return outputs_[0].predict(codes, n, mean, std, members);
    }
    target_.link->regime ? choose_run<true>(codes, n, mean, std, members)
                         : choose_run<false>(codes, n, mean, std, members);
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

  // --- Artifacts of several outputs: further metrics, or the coefficients of a curve. As all
  // others, `predict` then gives the target itself, of a curve its value at the last knot.

  // The surrogates of the outputs, in the order of `target().outputs`; none of other artifacts.
  const std::vector<Surrogate>& outputs() const { return outputs_; }

  // The surrogate of the output of a name.
  const Surrogate& output(const std::string& name) const {
    std::string names;
    for (const Surrogate& output : outputs_) {
      if (output.target_.name == name) return output;
      names += (names.empty() ? "" : ", ") + output.target_.name;
    }
    throw Error("no output '" + detail::excerpt(name) + "' of " + target_.name +
                (names.empty() ? ", which has none" : "; there are " + names));
  }

  // Predicts a curve at a fidelity, as `predict` its end. Throws outside of the knots.
  void predict_at(const std::uint8_t* codes, std::size_t n, double fidelity, float* mean,
                  float* std, float* members = nullptr) const {
    curve_form().knot_before(fidelity);  // also where there are no rows
    std::vector<double> y;
    each_step(codes, n, [&](const detail::StepCurves& curves, std::size_t row, std::size_t valid) {
      curves.at(fidelity, y);
      store(y, row, valid, 1, 0, mean, std, members);
    });
  }

  // Predicts curves at all T knots: mean[n * T], std[n * T] and, unless it is null,
  // members[n * n_members * T].
  void predict_curve(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
                     float* members = nullptr) const {
    const std::size_t knots = curve_form().at.size();
    std::vector<double> y;
    each_step(codes, n, [&](const detail::StepCurves& curves, std::size_t row, std::size_t valid) {
      for (std::size_t knot = 0; knot < knots; ++knot) {
        curves.at_knot(knot, y);
        store(y, row, valid, knots, knot, mean, std, members);
      }
    });
  }

  // Finds where curves reach a level first, found[n] in the unit of the fidelity: where the mean is
  // at least the level, or at most where less is better. NaN where it never is.
  void crossing(const std::uint8_t* codes, std::size_t n, double level, double* found) const {
    const bool rising = target_.direction == "max";
    double here[detail::step_rows];
    curve_form();
    each_step(codes, n, [&](const detail::StepCurves& curves, std::size_t row, std::size_t valid) {
      curves.crossing(level, rising, here);
      std::copy_n(here, valid, found + row);
    });
  }

  // The curve of one architecture. The surrogate must outlive it.
  Curve curve(const Codes& codes) const;

 private:
  using Unrolled = detail::UnrolledMnasNet;

  // An output of an artifact: number k of `n_outputs`, whose tables lie side by side.
  Surrogate(const SearchSpace& space, const Target& target, const Bytes& onnx, std::size_t k,
            std::size_t n_outputs)
      : space_(space), target_(target) {
    read_tables(onnx, k, n_outputs);
  }

  const CurveForm& curve_form() const {
    if (!target_.curve) target_.fail_fidelity("");
    return *target_.curve;
  }

  // Calls use(curves, row, valid) for each step of rows, of which `valid` are there.
  template <class Use>
  void each_step(const std::uint8_t* codes, std::size_t n, const Use& use) const {
    constexpr std::size_t rows = detail::step_rows;
    const CurveForm& form = curve_form();
    const std::size_t genes = n_genes();
    std::vector<std::vector<double>> values(form.outputs());
    for (std::vector<double>& output : values) output.resize(n_members() * rows);
    std::vector<std::uint8_t> own(rows * genes);
    for (std::size_t row = 0; row < n; row += rows) {
      const std::size_t valid = std::min(rows, n - row);
      detail::copy_once(own.data(), codes + row * genes, valid * genes);
      std::fill(own.begin() + static_cast<std::ptrdiff_t>(valid * genes), own.end(), std::uint8_t{0});
      space_.check(own.data(), valid, row);
      for (std::size_t k = 0; k < values.size(); ++k) {
        const bool used = k < form.coefficients || form.gate == k;
        if (used) outputs_[k].choose_values(own.data(), values[k].data());
      }
      use(detail::StepCurves(form, *target_.link, values), row, valid);
    }
  }

  // Stores the summary of a step's values as column `knot` of `knots` columns.
  void store(const std::vector<double>& y, std::size_t row, std::size_t valid, std::size_t knots,
             std::size_t knot, float* mean, float* std, float* members) const {
    float mean_here[detail::step_rows], std_here[detail::step_rows];
    const std::size_t m_count = n_members();
    detail::summarise<0>(y.data(), m_count, mean_here, std_here, nullptr);
    for (std::size_t r = 0; r < valid; ++r) {
      mean[(row + r) * knots + knot] = mean_here[r];
      std[(row + r) * knots + knot] = std_here[r];
      for (std::size_t m = 0; members && m < m_count; ++m) {
        members[((row + r) * m_count + m) * knots + knot] =
            static_cast<float>(y[m * detail::step_rows + r]);
      }
    }
  }

  // What the members of an output predict for a step of codes, which are in range.
  void choose_values(const std::uint8_t* codes, double* y) const {
    const bool bent = target_.link->regime.has_value();
    choose([&](auto count) {
      constexpr int M = decltype(count)::value;
      bent ? step_values<M, true>(codes, y) : step_values<M, false>(codes, y);
    });
  }

  template <int M, bool R>
  void step_values(const std::uint8_t* codes, double* y) const {
    detail::Scratch<M> scratch(n_members());
    sum<M>(codes, &scratch.totals[0]);
    if constexpr (R) mark_inside(codes, &scratch.inside[0]);
    detail::find_values<M, R>(scratch, n_members(), *target_.link, *target_.tables);
    std::copy_n(&scratch.y[0], n_members() * detail::step_rows, y);
  }

  void read_tables(const Bytes& onnx, std::size_t k, std::size_t n_outputs) {
    if (Unrolled::fits(space_, *target_.terms) && has_own_code(n_members())) {
      unrolled_.emplace_back(space_);
    } else {
      any_.emplace(space_, *target_.terms);
    }
    read_entries(onnx, k, n_outputs);
  }

  // Copies the tables, checked before, to memory of their own, aligned to cache lines. The unrolled
  // sums have those turned where block b of a pair has more symbols than a, so that the wider block
  // numbers the rows. An entry has the members of output k among those of all outputs.
  void read_entries(const Bytes& onnx, std::size_t k, std::size_t n_outputs) {
    const std::size_t m_count = n_members(), others = 4 * (n_outputs - 1) * m_count;
    const std::uint8_t* bytes = onnx.data() + target_.tables->offset + 4 * k * m_count;
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
        bytes += others;
      }
    }
  }

  // Whether there is code for just that number of members, as `choose` has.
  static bool has_own_code(std::size_t n_members) { return n_members <= 8 || n_members == 16; }

  template <int M>
  using Count = std::integral_constant<int, M>;

  // Runs the code for the number of members: 0 where it has none of its own.
  template <class Run>
  void choose(const Run& run) const {
    if (!unrolled_.empty()) {
      switch (n_members()) {
        case 1: return run(Count<1>());
        case 2: return run(Count<2>());
        case 3: return run(Count<3>());
        case 4: return run(Count<4>());
        case 5: return run(Count<5>());
        case 6: return run(Count<6>());
        case 7: return run(Count<7>());
        case 8: return run(Count<8>());
        case 16: return run(Count<16>());
      }
    }
    run(Count<0>());
  }

  // Not as a function of `choose`: the shortest way for the only thing that loops ask for.
  template <bool R>
  void choose_run(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
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
  std::vector<Surrogate> outputs_;      // of an artifact of several; it has no tables itself
  std::vector<Unrolled> unrolled_;      // one, where it fits space, terms and members
  std::optional<detail::AnySums> any_;  // where it does not
  std::vector<detail::CacheLine> memory_;
};

// The learning curve of one architecture, made by `Surrogate::curve`.
class Curve {
 public:
  Curve(const Surrogate& surrogate, Codes codes)
      : surrogate_(&surrogate), codes_(std::move(codes)) {
    surrogate.space().check_codes(codes_);
    if (!surrogate.target().curve) surrogate.target().fail_fidelity("");
    mean_.resize(at().size());
    std_.resize(at().size());
    surrogate.predict_curve(codes_.data(), 1, mean_.data(), std_.data());
  }

  // The knots, and mean and std there.
  const std::vector<double>& at() const { return surrogate_->target().curve->at; }
  const std::vector<float>& mean() const { return mean_; }
  const std::vector<float>& std() const { return std_; }

  // The prediction at a fidelity. Throws outside of the knots.
  Surrogate::Prediction at(double fidelity) const {
    Surrogate::Prediction found{0, 0, std::vector<float>(surrogate_->n_members())};
    surrogate_->predict_at(codes_.data(), 1, fidelity, &found.mean, &found.std,
                           found.members.data());
    return found;
  }

  // Where a share `level` of new measurements at a fidelity lies; nothing where that is not known.
  std::optional<Calibration::Interval> interval(double fidelity, double level) const {
    const Surrogate::Prediction found = at(fidelity);
    return surrogate_->target().interval_at(found.mean, found.std, fidelity, level);
  }

  // Where the mean reaches a level first; NaN where it never does.
  double crossing(double level) const {
    double found = 0;
    surrogate_->crossing(codes_.data(), 1, level, &found);
    return found;
  }

 private:
  const Surrogate* surrogate_;
  Codes codes_;
  std::vector<float> mean_, std_;
};

inline Curve Surrogate::curve(const Codes& codes) const { return Curve(*this, codes); }

}  // namespace anb

#endif  // ANB_TABLES_HPP
