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

#include "anb_encoder.hpp"

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
