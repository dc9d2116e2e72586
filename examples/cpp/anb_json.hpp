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

#include "anb_decimals.hpp"
#include "anb_error.hpp"

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
