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
