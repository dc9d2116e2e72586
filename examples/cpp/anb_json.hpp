// A small, strict reader of JSON. No dependencies; C++17.
//
// It refuses what the standard refuses, a key that occurs twice, and deep nesting. Every value
// knows its place in the document, so that an error can name it.
#ifndef ANB_JSON_HPP
#define ANB_JSON_HPP

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "anb_encoder.hpp"  // Error

namespace anb {

class Json {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  // Parses a document; `source` names it in all errors.
  static Json parse(const std::string& text, const std::string& source);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }

  // The place of the value, as in "manifest.json: key 'targets.accuracy.file'".
  const std::string& where() const { return where_; }

  const std::string& string() const { return require(Kind::string, "a string").text_; }
  bool boolean() const { return require(Kind::boolean, "true or false").text_ == "true"; }

  double number() const {
    require(Kind::number, "a number");
    double value = 0;
#if defined(__cpp_lib_to_chars)
    const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    const bool good = code == std::errc() && end == text_.data() + text_.size();
#else
    std::istringstream stream(text_);
    stream.imbue(std::locale::classic());
    const bool good = static_cast<bool>(stream >> value) && stream.eof();
#endif
    if (!good || !std::isfinite(value)) fail("a number that a float64 can hold, not " + text_);
    return value;
  }

  // An integer from 0 to the given maximum.
  std::uint64_t integer(std::uint64_t maximum) const {
    require(Kind::number, "an integer");
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (code != std::errc() || end != text_.data() + text_.size() || value > maximum) {
      fail("an integer from 0 to " + std::to_string(maximum) + ", not " + text_);
    }
    return value;
  }

  const std::vector<Json>& array() const { return require(Kind::array, "a list").items_; }

  // The members of an object in their order: names() beside items().
  const std::vector<std::string>& names() const {
    return require(Kind::object, "an object").names_;
  }
  const std::vector<Json>& items() const { return items_; }

  const Json* find(const std::string& name) const {
    require(Kind::object, "an object");
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return &items_[i];
    }
    return nullptr;
  }

  const Json& at(const std::string& name) const {
    const Json* found = find(name);
    if (!found) throw Error(where_ + " lacks the key '" + name + "'");
    return *found;
  }

  [[noreturn]] void fail(const std::string& wanted) const {
    throw Error(where_ + " must be " + wanted);
  }

 private:
  struct Parser;

  const Json& require(Kind kind, const char* wanted) const {
    if (kind_ != kind) fail(wanted);
    return *this;
  }

  Kind kind_ = Kind::null;
  std::string where_, text_;
  std::vector<std::string> names_;
  std::vector<Json> items_;
};

struct Json::Parser {
  const std::string& text;
  const std::string& source;
  std::size_t at = 0;

  static constexpr int max_depth = 32;

  Json document() {
    Json value = parse("", 0);
    skip_space();
    if (at != text.size()) fail("nothing more was expected");
    return value;
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

  Json parse(const std::string& path, int depth) {
    if (depth > max_depth) fail("nested too deeply");
    skip_space();
    if (at >= text.size()) fail("unexpected end");
    Json value;
    value.where_ = path.empty() ? source : source + ": key '" + path + "'";
    const char first = text[at];
    if (first == '{') {
      parse_object(value, path, depth);
    } else if (first == '[') {
      parse_array(value, path, depth);
    } else if (first == '"') {
      value.kind_ = Kind::string;
      value.text_ = parse_string();
    } else if (first == '-' || (first >= '0' && first <= '9')) {
      value.kind_ = Kind::number;
      value.text_ = parse_number();
    } else {
      value.text_ = parse_word();
      value.kind_ = value.text_ == "null" ? Kind::null : Kind::boolean;
    }
    return value;
  }

  void parse_object(Json& value, const std::string& path, int depth) {
    value.kind_ = Kind::object;
    ++at;
    skip_space();
    if (take('}')) return;
    do {
      skip_space();
      if (at >= text.size() || text[at] != '"') fail("expected a key");
      std::string name = parse_string();
      if (value.find(name)) fail("the key '" + name + "' occurs twice");
      expect(':');
      value.items_.push_back(parse(path.empty() ? name : path + "." + name, depth + 1));
      value.names_.push_back(std::move(name));
      skip_space();
    } while (take(','));
    expect('}');
  }

  void parse_array(Json& value, const std::string& path, int depth) {
    value.kind_ = Kind::array;
    ++at;
    skip_space();
    if (take(']')) return;
    do {
      const std::string place = "[" + std::to_string(value.items_.size()) + "]";
      value.items_.push_back(parse(path + place, depth + 1));
      skip_space();
    } while (take(','));
    expect(']');
  }

  std::string parse_word() {
    for (const char* word : {"true", "false", "null"}) {
      const std::string name = word;
      if (text.compare(at, name.size(), name) == 0) {
        at += name.size();
        return name;
      }
    }
    fail("unexpected character");
  }

  bool digits() {
    const std::size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at > start;
  }

  std::string parse_number() {
    const std::size_t start = at;
    take('-');
    if (!take('0') && !digits()) fail("malformed number");
    if (take('.') && !digits()) fail("malformed number");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) fail("malformed number");
    }
    return text.substr(start, at - start);
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
    static const std::string names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (at >= text.size()) fail("unexpected end");
    const char name = text[at++];
    if (name != 'u') {
      const std::size_t place = names.find(name);
      if (place == std::string::npos) fail("malformed escape");
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
    // UTF-8: the first byte says how many follow.
    const int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned leads[] = {0, 0xC0, 0xE0, 0xF0};
    result += static_cast<char>(leads[more] | (point >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) {
      result += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3F));
    }
  }

  std::string parse_string() {
    std::string result;
    ++at;
    while (true) {
      if (at >= text.size()) fail("unexpected end");
      const char c = text[at++];
      if (c == '"') return result;
      if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
      if (c == '\\') {
        append_escape(result);
      } else {
        result += c;
      }
    }
  }
};

inline Json Json::parse(const std::string& text, const std::string& source) {
  return Parser{text, source}.document();
}

}  // namespace anb

#endif  // ANB_JSON_HPP
