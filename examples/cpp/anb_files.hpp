// Files that are read whole, and their SHA-256 (FIPS 180-4). No dependencies; C++17.
//
// A path from outside may be a pipe (reading waits for ever), a device (it never ends) or a file of
// 10 GB. What is read here is a regular file of a bounded size, or an error at once.
#ifndef ANB_FILES_HPP
#define ANB_FILES_HPP

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "anb_error.hpp"

namespace anb {

using Bytes = std::vector<std::uint8_t>;

// The most bytes of the files that are read, and the environment variables that set other numbers:
// those of the Python package.
struct Limits {
  static constexpr const char* manifest_variable = "ANB_ONNX_MAX_MANIFEST_BYTES";
  static constexpr const char* artifact_variable = "ANB_ONNX_MAX_ARTIFACT_BYTES";
  static constexpr const char* golden_variable = "ANB_ONNX_MAX_GOLDEN_BYTES";

  std::uint64_t manifest = std::uint64_t{16} << 20;
  std::uint64_t artifact = std::uint64_t{64} << 20;
  std::uint64_t golden = std::uint64_t{256} << 20;

  static Limits from_environment() {
    Limits limits;
    read(manifest_variable, limits.manifest);
    read(artifact_variable, limits.artifact);
    read(golden_variable, limits.golden);
    return limits;
  }

 private:
  static void read(const char* variable, std::uint64_t& limit) {
    constexpr std::uint64_t most = std::uint64_t{1} << 48;
    const char* found = std::getenv(variable);
    if (!found || !*found) return;
    const std::string_view text = found;
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value < 1 || value > most) {
      throw Error(std::string(variable) + " must be a number of bytes from 1 to " +
                  std::to_string(most) + ", not '" + detail::excerpt(text) +
                  "'; without it the limit is " + std::to_string(limit));
    }
    limit = value;
  }
};

namespace detail {

// Where bytes of an open file come from; closed in the end.
class Source {
 public:
#if defined(_WIN32)  // where opening a pipe does not wait
  explicit Source(const std::filesystem::path& path) : path_(path) {
    if (!std::filesystem::is_regular_file(path)) fail("it is no regular file");
    stream_.open(path, std::ios::binary);
    if (!stream_) fail("it cannot be opened");
  }

  std::uint64_t size() const { return std::filesystem::file_size(path_); }

  std::size_t read(std::uint8_t* to, std::size_t most) {
    stream_.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(most));
    if (stream_.bad()) fail("reading failed");
    return static_cast<std::size_t>(stream_.gcount());
  }
#else
  // Looked at before it is opened, as opening some devices does something; and afterwards, as the
  // path may have become another file in between.
  explicit Source(const std::filesystem::path& path) : path_(path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) fail(std::strerror(errno));
    require_regular(facts);
    handle_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle_ < 0) fail(std::strerror(errno));
    try {
      if (::fstat(handle_, &facts) != 0) fail(std::strerror(errno));
      require_regular(facts);
    } catch (...) {
      ::close(handle_);
      throw;
    }
    size_ = static_cast<std::uint64_t>(facts.st_size);
  }

  ~Source() { ::close(handle_); }

  std::uint64_t size() const { return size_; }

  std::size_t read(std::uint8_t* to, std::size_t most) {
    while (true) {
      const ssize_t found = ::read(handle_, to, most);
      if (found >= 0) return static_cast<std::size_t>(found);
      if (errno != EINTR) fail(std::strerror(errno));
    }
  }
#endif

  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(path_.string() + " cannot be read (" + why + ")");
  }

  std::filesystem::path path_;
#if defined(_WIN32)
  std::ifstream stream_;
#else
  void require_regular(const struct stat& facts) const {
    if (S_ISREG(facts.st_mode)) return;
    const char* const kind = S_ISFIFO(facts.st_mode)   ? "a pipe"
                             : S_ISDIR(facts.st_mode)  ? "a folder"
                             : S_ISSOCK(facts.st_mode) ? "a socket"
                                                       : "a device";
    fail(std::string("it is ") + kind + ", not a regular file");
  }

  int handle_ = -1;
  std::uint64_t size_ = 0;
#endif
};

}  // namespace detail

// Reads a regular file of at most `limit` bytes; `variable` is what sets the limit, for the error.
inline Bytes read_file(const std::filesystem::path& path, std::uint64_t limit,
                       const std::string& variable = "") {
  detail::Source source(path);
  const auto refuse = [&](const std::string& size) {
    throw Error(path.string() + " has " + size + " bytes, at most " + std::to_string(limit) +
                " are allowed" + (variable.empty() ? "" : " (" + variable + " sets this limit)"));
  };
  if (source.size() > limit) refuse(std::to_string(source.size()));
  Bytes content;
  std::size_t read = 0;
  do {
    // One byte more than stated: files of /proc state 0 bytes, and others may grow.
    if (read == content.size()) {
      content.resize(read == 0 ? static_cast<std::size_t>(source.size()) + 1 : read + 65536);
    }
    const std::size_t part = source.read(content.data() + read, content.size() - read);
    if (part == 0) break;
    read += part;
  } while (read <= limit);
  if (read > limit) refuse("more than " + std::to_string(limit));
  content.resize(read);
  return content;
}

namespace detail {

inline std::uint32_t rotate(std::uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
inline constexpr std::uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

inline void sha256_block(std::array<std::uint32_t, 8>& state, const std::uint8_t* block) {
  std::uint32_t w[64];
  for (int i = 0; i < 16; ++i) {
    w[i] = std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 |
           std::uint32_t{block[4 * i + 2]} << 8 | std::uint32_t{block[4 * i + 3]};
  }
  for (int i = 16; i < 64; ++i) {
    const std::uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)) +
           (rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10));
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    const std::uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                             ((e & f) ^ (~e & g)) + sha256_constants[i] + w[i];
    const std::uint32_t t2 =
        (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::uint32_t sums[] = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += sums[i];
}

}  // namespace detail

// The SHA-256 of some bytes, as 64 hexadecimal digits.
inline std::string sha256(const Bytes& content) {
  std::array<std::uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const std::size_t whole = content.size() / 64 * 64;
  for (std::size_t at = 0; at < whole; at += 64) detail::sha256_block(state, content.data() + at);
  // The rest, a bit 1, zeros, and the length in bits, big-endian.
  Bytes last(content.begin() + static_cast<std::ptrdiff_t>(whole), content.end());
  last.push_back(0x80);
  last.resize(last.size() <= 56 ? 64 : 128);
  const std::uint64_t bits = 8 * static_cast<std::uint64_t>(content.size());
  for (std::size_t i = 0; i < 8; ++i) {
    last[last.size() - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
  for (std::size_t at = 0; at < last.size(); at += 64) detail::sha256_block(state, &last[at]);
  std::string text;
  for (const std::uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
  }
  return text;
}

}  // namespace anb

#endif  // ANB_FILES_HPP
