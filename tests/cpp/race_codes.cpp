// Predicts from codes that another thread changes all the while: built with AddressSanitizer, a
// read outside of the tables or their neighbours ends the program.
//
//   race_codes ARTIFACTS TARGET CALLS
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "anb_surrogate.hpp"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const anb::Surrogate surrogate(anb::Manifest::read(argv[1]), argv[2]);
  const std::size_t n = 96, genes = surrogate.n_genes();
  std::vector<std::uint8_t> codes(n * genes);
  volatile std::uint8_t* const shared = codes.data();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> writes{0};
  std::thread writer([&] {
    // One code at a time goes out of range and back, faster than a call: so many calls find all
    // in range at first.
    for (std::uint64_t i = 0; !stop; ++i) {
      volatile std::uint8_t& code = shared[i * 2654435761u % codes.size()];
      for (int times = 0; times < 2000; ++times) {
        code = static_cast<std::uint8_t>(times % 8 == 0 ? 255 : 0);
      }
      ++writes;
    }
  });
  std::vector<float> mean(n), std(n), members(n * surrogate.n_members());
  std::uint64_t answered = 0, refused = 0;
  const std::uint64_t calls = std::strtoull(argv[3], nullptr, 10);
  while (answered + refused < calls || writes == 0) {
    try {
      surrogate.predict(codes.data(), n, mean.data(), std.data(), members.data());
      ++answered;
      for (const float value : mean) {
        if (!std::isfinite(value)) std::abort();
      }
    } catch (const anb::Error&) {
      ++refused;
    }
  }
  stop = true;
  writer.join();
  std::printf("answered %llu, refused %llu\n", static_cast<unsigned long long>(answered),
              static_cast<unsigned long long>(refused));
  return 0;
}
