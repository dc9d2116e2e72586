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
