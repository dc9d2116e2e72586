// The arithmetic after the integer sums of the tables: float64 steps in a fixed order.
// No dependencies; C++17.
//
// Compile with -ffp-contract=off (or its like): the contract demands that a product is rounded
// before it is added to. `Surrogate` refuses to work in a program that was compiled otherwise.
// -O3 -fno-math-errno lets compilers vectorise; -march=native helps more; no bit depends on these.
#ifndef ANB_ARITHMETIC_HPP
#define ANB_ARITHMETIC_HPP

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "anb_manifest.hpp"

#if defined(__FAST_MATH__)
#error "-ffast-math changes predictions: compile without it"
#endif
#if FLT_EVAL_METHOD != 0
#error "float64 arithmetic must be that of IEEE 754: compile for SSE2 rather than x87"
#endif

#if defined(__GNUC__)
#define ANB_PREFETCH(address) __builtin_prefetch(address)
#else
#define ANB_PREFETCH(address) static_cast<void>(address)
#endif
#if defined(__GNUC__)
#define ANB_INLINE __attribute__((always_inline)) inline
#elif defined(_MSC_VER)
#define ANB_INLINE __forceinline
#else
#define ANB_INLINE inline
#endif

namespace anb {
namespace detail {

// Rows per step: enough for vectors, and few enough that the processor overlaps the lookups of a
// step with the arithmetic of the one before (measured; 8, 16 and 64 are slower).
inline constexpr std::size_t step_rows = 32;

// Whether this program was compiled to fuse a product with a sum into one rounding.
inline bool fuses_products() {
  volatile double near_one = 1.0 + DBL_EPSILON;
  const double x = near_one, rounded = 1.0 + 2 * DBL_EPSILON;
  return x * x - rounded != 0;  // the product's last bit, which only rounding removes
}

#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define ANB_VECTORS 1
using Vector8 = std::int32_t __attribute__((vector_size(32)));

// One of three rounds that transpose 8 x 8 integers: interleave the first half with the second.
ANB_INLINE void interleave(const Vector8* from, Vector8* to) {
  for (int k = 0; k < 4; ++k) {
    to[2 * k] = __builtin_shufflevector(from[k], from[k + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    to[2 * k + 1] = __builtin_shufflevector(from[k], from[k + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
}
#endif

// Memory for a step of M members; with M = 0 their number is known at run time only.
template <int M>
struct Scratch {
  alignas(64) std::int32_t totals[M * step_rows];  // the members of a row side by side
  alignas(64) std::int32_t lanes[M * step_rows];   // the rows of a member side by side
  alignas(64) double y[M * step_rows];             // likewise
  alignas(64) std::int64_t inside[step_rows];      // 1 for rows inside a regime; as wide as y

  explicit Scratch(std::size_t) {}
};

template <>
struct Scratch<0> {
  std::vector<std::int32_t> totals, lanes;
  std::vector<double> y;
  std::int64_t inside[step_rows];

  explicit Scratch(std::size_t m_count)
      : totals(m_count * step_rows), lanes(totals.size()), y(totals.size()) {}
};

template <int M>
ANB_INLINE void transpose(const std::int32_t* totals, std::size_t m_count, std::int32_t* lanes) {
#if defined(ANB_VECTORS)
  if constexpr (M == 8) {  // compilers know no fast way for this
    for (std::size_t r = 0; r < step_rows; r += 8) {
      Vector8 a[8], b[8], c[8], d[8];
      for (std::size_t k = 0; k < 8; ++k) std::memcpy(&a[k], totals + 8 * (r + k), sizeof a[k]);
      interleave(a, b);
      interleave(b, c);
      interleave(c, d);
      for (std::size_t m = 0; m < 8; ++m) {
        std::memcpy(lanes + m * step_rows + r, &d[m], sizeof d[m]);
      }
    }
    return;
  }
#endif
  for (std::size_t m = 0; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) lanes[m * step_rows + r] = totals[r * m_count + m];
  }
}

// From the totals of a step to what the members predict, vectorised over the rows. R: whether the
// link has a regime; without one, not even code for it may be there, which costs 3 % (measured).
template <int M, bool R>
ANB_INLINE void find_values(Scratch<M>& scratch, std::size_t n_members, const Link& link,
                            const Tables& tables) {
  const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members;
  const std::size_t n = m_count * step_rows;
  const double scale = tables.scale, shift = tables.shift, offset = link.offset;
  const std::int32_t* lanes = &scratch.lanes[0];
  double* y = &scratch.y[0];
  transpose<M>(&scratch.totals[0], m_count, &scratch.lanes[0]);
  for (std::size_t i = 0; i < n; ++i) y[i] = lanes[i] * scale + shift;
  auto hinge = link.hinges.begin();
  [[maybe_unused]] const Hinge* regime_hinge = R ? link.regime->hinges.data() : nullptr;
  for (const Step step : link.inverse) {
    switch (step) {
      case Step::square:
        for (std::size_t i = 0; i < n; ++i) y[i] = y[i] * y[i];
        break;
      case Step::sqrt:
        for (std::size_t i = 0; i < n; ++i) y[i] = std::sqrt(y[i]);
        break;
      case Step::reciprocal:
        for (std::size_t i = 0; i < n; ++i) y[i] = 1.0 / y[i];
        break;
      case Step::reflect:
        for (std::size_t i = 0; i < n; ++i) y[i] = offset - y[i];
        break;
      case Step::hinge: {
        const auto [knot, change] = *hinge++;
        for (std::size_t i = 0; i < n; ++i) {
          const double above = y[i] - knot;
          y[i] += (above > 0 ? above : 0.0) * change;
        }
        break;
      }
      case Step::regime:
        if constexpr (R) {
          const auto [knot, change] = *regime_hinge++;
          for (std::size_t m = 0; m < m_count; ++m) {
            for (std::size_t r = 0; r < step_rows; ++r) {
              const double before = y[m * step_rows + r], above = before - knot;
              const double bent = before + (above > 0 ? above : 0.0) * change;
              y[m * step_rows + r] = scratch.inside[r] ? bent : before;
            }
          }
        }
        break;
    }
  }
}

// Mean and population standard deviation of a step's values y, the rows of a member side by side;
// and the values themselves, unless `members` is null.
template <int M>
ANB_INLINE void summarise(const double* y, std::size_t n_members, float* mean, float* std,
                          float* members) {
  const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members;
  // From the first member to the last: addition rounds, so its order is part of the contract.
  const double count = static_cast<double>(m_count);
  alignas(64) double centre[step_rows];
  alignas(64) double squares[step_rows];
  for (std::size_t r = 0; r < step_rows; ++r) centre[r] = y[r];
  for (std::size_t m = 1; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) centre[r] += y[m * step_rows + r];
  }
  for (std::size_t r = 0; r < step_rows; ++r) {
    centre[r] /= count;
    squares[r] = 0;
  }
  for (std::size_t m = 0; m < m_count; ++m) {
    for (std::size_t r = 0; r < step_rows; ++r) {
      const double deviation = y[m * step_rows + r] - centre[r];
      squares[r] += deviation * deviation;
    }
  }
  for (std::size_t r = 0; r < step_rows; ++r) mean[r] = static_cast<float>(centre[r]);
  for (std::size_t r = 0; r < step_rows; ++r) {
    std[r] = static_cast<float>(std::sqrt(squares[r] / count));
  }
  if (!members) return;
  for (std::size_t r = 0; r < step_rows; ++r) {
    for (std::size_t m = 0; m < m_count; ++m) {
      members[r * m_count + m] = static_cast<float>(y[m * step_rows + r]);
    }
  }
}

// From the totals of a step to its predictions.
template <int M, bool R>
ANB_INLINE void finish(Scratch<M>& scratch, std::size_t n_members, const Link& link,
                       const Tables& tables, float* mean, float* std, float* members) {
  find_values<M, R>(scratch, n_members, link, tables);
  summarise<M>(&scratch.y[0], n_members, mean, std, members);
}

}  // namespace detail

}  // namespace anb

#endif  // ANB_ARITHMETIC_HPP
