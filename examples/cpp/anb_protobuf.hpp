// Protocol buffer messages, as far as ONNX files need them (onnx/onnx.proto). No dependencies; C++17.
#ifndef ANB_PROTOBUF_HPP
#define ANB_PROTOBUF_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anb_error.hpp"

namespace anb::detail {

// A little-endian 32-bit word of a file.
inline std::uint32_t read_word(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 |
         std::uint32_t{bytes[3]} << 24;
}

// The fields of a protocol buffer message, one after the other.
class Fields {
 public:
  Fields(std::string_view message, const std::string& file) : left_(message), file_(file) {}

  std::uint64_t number = 0, value = 0;  // value: of fields that are an integer
  std::string_view content;             // of fields that have a length
  bool has_content = false;

  // Goes to the next field; false if there is none.
  bool next() {
    if (left_.empty()) return false;
    const std::uint64_t tag = varint();
    number = tag >> 3;
    has_content = (tag & 7) == 2;
    value = 0;
    content = {};
    switch (tag & 7) {
      case 0: value = varint(); break;
      case 1: take(8); break;
      case 2: content = take(varint()); break;
      case 5: take(4); break;
      default: fail("unknown kind of field " + std::to_string(tag & 7));
    }
    return true;
  }

  bool empty() const { return left_.empty(); }

  // An integer of seven bits a byte, which is what comes next.
  std::uint64_t varint() {
    std::uint64_t result = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (left_.empty()) fail("it ends within a field");
      const auto byte = static_cast<unsigned char>(left_[0]);
      left_.remove_prefix(1);
      result |= shift < 64 ? std::uint64_t{byte & 0x7Fu} << shift : 0;
      if (byte < 0x80) return result;
    }
    fail("a number of more than ten bytes");
  }

  // The content of a field that may occur once only.
  void once(std::optional<std::string_view>& found) const {
    if (found || !has_content) fail("field " + std::to_string(number) + " twice, or of no length");
    found = content;
  }
  void once(std::optional<std::uint64_t>& found) const {
    if (found || has_content) fail("field " + std::to_string(number) + " twice, or no integer");
    found = value;
  }

  // Appends integers, which come one by one or packed into one field; a few only.
  void add_integers(std::vector<std::uint64_t>& found) const {
    Fields packed(content, file_);
    if (!has_content) found.push_back(value);
    while (!packed.empty() && found.size() <= 8) found.push_back(packed.varint());
    if (found.size() > 8) fail("more than eight integers");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(file_ + " is no valid ONNX file (" + what + ")");
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > left_.size()) fail("a field ends after its message");
    const std::string_view taken = left_.substr(0, static_cast<std::size_t>(size));
    left_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view left_;
  const std::string& file_;
};

// A TensorProto that holds its values as bytes.
struct Tensor {
  static constexpr std::uint64_t int32 = 6, float64 = 11;

  std::optional<std::uint64_t> type;
  std::optional<std::string_view> name, raw;
  std::vector<std::uint64_t> shape;
  bool elsewhere = false;  // its values lie in another file

  static Tensor read(std::string_view message, const std::string& file) {
    Tensor tensor;
    Fields field(message, file);
    while (field.next()) {
      if (field.number == 1) {
        field.add_integers(tensor.shape);
      } else if (field.number == 2) {
        field.once(tensor.type);
      } else if (field.number == 8) {
        field.once(tensor.name);
      } else if (field.number == 9) {
        field.once(tensor.raw);
      } else if (field.number == 13 || field.number == 14) {
        tensor.elsewhere |= field.has_content || field.value != 0;
      }
    }
    return tensor;
  }

  // Whether there are four bytes for each value of a matrix.
  bool fits_shape() const {
    const std::uint64_t rows = shape[0], columns = shape[1], words = raw->size() / 4;
    return raw->size() % 4 == 0 && rows > 0 && columns > 0 && words % columns == 0 &&
           words / columns == rows;
  }
};

}  // namespace anb::detail

#endif  // ANB_PROTOBUF_HPP
