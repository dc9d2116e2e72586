// What belongs to the space of NAS-Bench-201 alone: its architecture strings. No dependencies; C++17.
#ifndef ANB_NASBENCH201_HPP
#define ANB_NASBENCH201_HPP

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anb_encoder.hpp"

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
