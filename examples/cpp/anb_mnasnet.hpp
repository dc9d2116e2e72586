// What belongs to the space of Accel-NASBench alone: the four lists of the reference, and
// EfficientNet-B0. No dependencies; C++17.
#ifndef ANB_MNASNET_HPP
#define ANB_MNASNET_HPP

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
  const std::pair<const char*, const std::vector<int>*> parts[] = {
      {"expansion", &lists.expansion}, {"kernel", &lists.kernel},
      {"layers", &lists.layers},       {"se", &lists.se}};
  const char* const suffixes[] = {"_e", "_k", "_l", "_se"};
  std::map<std::string, Value> values;
  for (int part = 0; part < 4; ++part) {
    const auto& [name, list] = parts[part];
    if (list->size() != blocks.size()) {
      throw Error(std::string(name) + " takes " + std::to_string(blocks.size()) +
                  " values, one per block, not " + std::to_string(list->size()));
    }
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      const int value = (*list)[block];
      const bool boolean = part == 3 && (value == 0 || value == 1);
      values.emplace(blocks[block].name + suffixes[part], boolean ? Value(value == 1) : value);
    }
  }
  return space.codes_of_values(values);
}

}  // namespace anb

#endif  // ANB_MNASNET_HPP
