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

#include "anb_cards.hpp"
#include "anb_encoder.hpp"
#include "anb_protobuf.hpp"

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
