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

#include "anb_encoder.hpp"
#include "anb_mnasnet.hpp"
#include "anb_nasbench201.hpp"
#include "anb_notation.hpp"

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
