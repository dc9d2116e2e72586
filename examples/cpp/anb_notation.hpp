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

#include "anb_error.hpp"

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
