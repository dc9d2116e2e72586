// Predictions straight from the integer tables inside an ONNX file: no runtime, the same bits.
// No dependencies; C++17. For the flags to compile with see anb_arithmetic.hpp.
#ifndef ANB_TABLES_HPP
#define ANB_TABLES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "anb_arithmetic.hpp"
#include "anb_curves.hpp"
#include "anb_manifest.hpp"
#include "anb_onnx_file.hpp"
#include "anb_sums.hpp"
#include "anb_unrolled.hpp"

namespace anb {
namespace detail {

// Copies bytes that another thread may write to meanwhile: what is checked in the copy is what is
// used of it, as the compiler cannot know that it still equals the original and read that again.
inline void copy_once(std::uint8_t* to, const std::uint8_t* from, std::size_t n) {
#if defined(__GNUC__)
  std::memcpy(to, from, n);
  __asm__ __volatile__("" : : "r"(to) : "memory");
#else
  const volatile std::uint8_t* source = from;
  for (std::size_t i = 0; i < n; ++i) to[i] = source[i];
#endif
}

struct alignas(64) CacheLine {
  std::int32_t values[16];
};

}  // namespace detail

class Curve;

// One target's surrogate. Immutable once made: any number of threads may call `predict` at once,
// each with its own range of rows.
class Surrogate {
 public:
  // Opens a target of a folder of artifacts; checks sizes, bounds and the file's SHA-256.
  Surrogate(const Manifest& manifest, const std::string& target)
      : Surrogate(manifest.space(), manifest.find(target),
                  manifest.read_listed(manifest.find(target))) {}

  // From a file's content, whose SHA-256 the caller vouches for.
  Surrogate(const SearchSpace& space, const Target& target, const Bytes& onnx)
      : space_(space), target_(target) {
    if (detail::fuses_products()) {
      throw Error("this program was compiled to fuse products with sums, which changes "
                  "predictions: compile it with -ffp-contract=off");
    }
    if (!target.tables || !target.terms || !target.link) {
      throw Error("target " + target.name + ", of the form '" + target.form +
                  "', has no tables: it needs an ONNX runtime");
    }
    check_file(space, target, onnx);
    if (target.outputs.empty()) read_tables(onnx, 0, 1);
    outputs_.reserve(target.outputs.size());
    for (std::size_t k = 0; k < target.outputs.size(); ++k) {
      outputs_.push_back(Surrogate(space, target.output(k), onnx, k, target.outputs.size()));
    }
  }

  static std::string engine() { return "standalone"; }

  const SearchSpace& space() const { return space_; }
  const Target& target() const { return target_; }
  std::size_t n_genes() const { return space_.genes().size(); }
  std::size_t n_members() const { return target_.members; }

  // Predicts n architectures: codes[n * n_genes] -> mean[n], std[n] and, unless it is null,
  // members[n * n_members], in the target's unit. Throws if a code is out of range; the outputs
  // have no meaning then.
  void predict(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
               float* members = nullptr) const {
    if (!outputs_.empty()) {
      if (target_.curve) return predict_at(codes, n, target_.curve->at.back(), mean, std, members);
      return outputs_[0].predict(codes, n, mean, std, members);
    }
    target_.link->regime ? choose_run<true>(codes, n, mean, std, members)
                         : choose_run<false>(codes, n, mean, std, members);
  }

  struct Prediction {
    float mean = 0, std = 0;
    std::vector<float> members;
  };

  // Predicts one architecture.
  Prediction predict(const Codes& codes) const {
    space_.check_codes(codes);
    Prediction prediction{0, 0, std::vector<float>(n_members())};
    predict(codes.data(), 1, &prediction.mean, &prediction.std, prediction.members.data());
    return prediction;
  }

  // --- Artifacts of several outputs: further metrics, or the coefficients of a curve. As all
  // others, `predict` then gives the target itself, of a curve its value at the last knot.

  // The surrogates of the outputs, in the order of `target().outputs`; none of other artifacts.
  const std::vector<Surrogate>& outputs() const { return outputs_; }

  // The surrogate of the output of a name.
  const Surrogate& output(const std::string& name) const {
    std::string names;
    for (const Surrogate& output : outputs_) {
      if (output.target_.name == name) return output;
      names += (names.empty() ? "" : ", ") + output.target_.name;
    }
    throw Error("no output '" + detail::excerpt(name) + "' of " + target_.name +
                (names.empty() ? ", which has none" : "; there are " + names));
  }

  // Predicts a curve at a fidelity, as `predict` its end. Throws outside of the knots.
  void predict_at(const std::uint8_t* codes, std::size_t n, double fidelity, float* mean,
                  float* std, float* members = nullptr) const {
    curve_form().knot_before(fidelity);  // also where there are no rows
    std::vector<double> y;
    each_step(codes, n, [&](const detail::StepCurves& curves, std::size_t row, std::size_t valid) {
      curves.at(fidelity, y);
      store(y, row, valid, 1, 0, mean, std, members);
    });
  }

  // Predicts curves at all T knots: mean[n * T], std[n * T] and, unless it is null,
  // members[n * n_members * T].
  void predict_curve(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
                     float* members = nullptr) const {
    const std::size_t knots = curve_form().at.size();
    std::vector<double> y;
    each_step(codes, n, [&](const detail::StepCurves& curves, std::size_t row, std::size_t valid) {
      for (std::size_t knot = 0; knot < knots; ++knot) {
        curves.at_knot(knot, y);
        store(y, row, valid, knots, knot, mean, std, members);
      }
    });
  }

  // Finds where curves reach a level first, found[n] in the unit of the fidelity: where the mean is
  // at least the level, or at most where less is better. NaN where it never is.
  void crossing(const std::uint8_t* codes, std::size_t n, double level, double* found) const {
    const bool rising = target_.direction == "max";
    double here[detail::step_rows];
    curve_form();
    each_step(codes, n, [&](const detail::StepCurves& curves, std::size_t row, std::size_t valid) {
      curves.crossing(level, rising, here);
      std::copy_n(here, valid, found + row);
    });
  }

  // The curve of one architecture. The surrogate must outlive it.
  Curve curve(const Codes& codes) const;

 private:
  using Unrolled = detail::UnrolledMnasNet;

  // An output of an artifact: number k of `n_outputs`, whose tables lie side by side.
  Surrogate(const SearchSpace& space, const Target& target, const Bytes& onnx, std::size_t k,
            std::size_t n_outputs)
      : space_(space), target_(target) {
    read_tables(onnx, k, n_outputs);
  }

  const CurveForm& curve_form() const {
    if (!target_.curve) target_.fail_fidelity("");
    return *target_.curve;
  }

  // Calls use(curves, row, valid) for each step of rows, of which `valid` are there.
  template <class Use>
  void each_step(const std::uint8_t* codes, std::size_t n, const Use& use) const {
    constexpr std::size_t rows = detail::step_rows;
    const CurveForm& form = curve_form();
    const std::size_t genes = n_genes();
    std::vector<std::vector<double>> values(form.outputs());
    for (std::vector<double>& output : values) output.resize(n_members() * rows);
    std::vector<std::uint8_t> own(rows * genes);
    for (std::size_t row = 0; row < n; row += rows) {
      const std::size_t valid = std::min(rows, n - row);
      detail::copy_once(own.data(), codes + row * genes, valid * genes);
      std::fill(own.begin() + static_cast<std::ptrdiff_t>(valid * genes), own.end(), std::uint8_t{0});
      space_.check(own.data(), valid, row);
      for (std::size_t k = 0; k < values.size(); ++k) {
        const bool used = k < form.coefficients || form.gate == k;
        if (used) outputs_[k].choose_values(own.data(), values[k].data());
      }
      use(detail::StepCurves(form, *target_.link, values), row, valid);
    }
  }

  // Stores the summary of a step's values as column `knot` of `knots` columns.
  void store(const std::vector<double>& y, std::size_t row, std::size_t valid, std::size_t knots,
             std::size_t knot, float* mean, float* std, float* members) const {
    float mean_here[detail::step_rows], std_here[detail::step_rows];
    const std::size_t m_count = n_members();
    detail::summarise<0>(y.data(), m_count, mean_here, std_here, nullptr);
    for (std::size_t r = 0; r < valid; ++r) {
      mean[(row + r) * knots + knot] = mean_here[r];
      std[(row + r) * knots + knot] = std_here[r];
      for (std::size_t m = 0; members && m < m_count; ++m) {
        members[((row + r) * m_count + m) * knots + knot] =
            static_cast<float>(y[m * detail::step_rows + r]);
      }
    }
  }

  // What the members of an output predict for a step of codes, which are in range.
  void choose_values(const std::uint8_t* codes, double* y) const {
    const bool bent = target_.link->regime.has_value();
    choose([&](auto count) {
      constexpr int M = decltype(count)::value;
      bent ? step_values<M, true>(codes, y) : step_values<M, false>(codes, y);
    });
  }

  template <int M, bool R>
  void step_values(const std::uint8_t* codes, double* y) const {
    detail::Scratch<M> scratch(n_members());
    sum<M>(codes, &scratch.totals[0]);
    if constexpr (R) mark_inside(codes, &scratch.inside[0]);
    detail::find_values<M, R>(scratch, n_members(), *target_.link, *target_.tables);
    std::copy_n(&scratch.y[0], n_members() * detail::step_rows, y);
  }

  void read_tables(const Bytes& onnx, std::size_t k, std::size_t n_outputs) {
    if (Unrolled::fits(space_, *target_.terms) && has_own_code(n_members())) {
      unrolled_.emplace_back(space_);
    } else {
      any_.emplace(space_, *target_.terms);
    }
    read_entries(onnx, k, n_outputs);
  }

  // Copies the tables, checked before, to memory of their own, aligned to cache lines. The unrolled
  // sums have those turned where block b of a pair has more symbols than a, so that the wider block
  // numbers the rows. An entry has the members of output k among those of all outputs.
  void read_entries(const Bytes& onnx, std::size_t k, std::size_t n_outputs) {
    const std::size_t m_count = n_members(), others = 4 * (n_outputs - 1) * m_count;
    const std::uint8_t* bytes = onnx.data() + target_.tables->offset + 4 * k * m_count;
    memory_.resize((static_cast<std::size_t>(target_.tables->entries) * m_count + 15) / 16);
    std::int32_t* const entries = &memory_[0].values[0];
    for (const Term& term : target_.terms->list()) {
      const std::size_t columns = term.strides[0], rows = term.entries / columns;
      const bool turned = !unrolled_.empty() && rows < columns;
      for (std::size_t number = 0; number < term.entries; ++number) {
        const std::size_t place =
            turned ? number % columns * rows + number / columns : number;
        std::int32_t* const entry = entries + (term.offset + place) * m_count;
        for (std::size_t m = 0; m < m_count; ++m, bytes += 4) {
          const std::uint32_t word = detail::read_word(bytes);
          std::memcpy(&entry[m], &word, 4);
        }
        bytes += others;
      }
    }
  }

  // Whether there is code for just that number of members, as `choose` has.
  static bool has_own_code(std::size_t n_members) { return n_members <= 8 || n_members == 16; }

  template <int M>
  using Count = std::integral_constant<int, M>;

  // Runs the code for the number of members: 0 where it has none of its own.
  template <class Run>
  void choose(const Run& run) const {
    if (!unrolled_.empty()) {
      switch (n_members()) {
        case 1: return run(Count<1>());
        case 2: return run(Count<2>());
        case 3: return run(Count<3>());
        case 4: return run(Count<4>());
        case 5: return run(Count<5>());
        case 6: return run(Count<6>());
        case 7: return run(Count<7>());
        case 8: return run(Count<8>());
        case 16: return run(Count<16>());
      }
    }
    run(Count<0>());
  }

  // Not as a function of `choose`: the shortest way for the only thing that loops ask for.
  template <bool R>
  void choose_run(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
                  float* members) const {
    if (!unrolled_.empty()) {
      switch (n_members()) {
        case 1: return run<1, R>(codes, n, mean, std, members);
        case 2: return run<2, R>(codes, n, mean, std, members);
        case 3: return run<3, R>(codes, n, mean, std, members);
        case 4: return run<4, R>(codes, n, mean, std, members);
        case 5: return run<5, R>(codes, n, mean, std, members);
        case 6: return run<6, R>(codes, n, mean, std, members);
        case 7: return run<7, R>(codes, n, mean, std, members);
        case 8: return run<8, R>(codes, n, mean, std, members);
        case 16: return run<16, R>(codes, n, mean, std, members);
      }
    }
    run<0, R>(codes, n, mean, std, members);
  }

  template <int M, bool R>
  void run(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
           float* members) const {
    constexpr std::size_t rows = detail::step_rows;
    const std::size_t m_count = M > 0 ? static_cast<std::size_t>(M) : n_members();
    const std::size_t genes = n_genes();
    detail::Scratch<M> scratch(m_count);
    // The codes of a step, read once. Rows that are not there are zeros, which are in range.
    std::vector<std::uint8_t> own(rows * genes);
    const auto step = [&](std::size_t first, std::size_t valid, float* mean_here, float* std_here,
                          float* members_here) {
      detail::copy_once(own.data(), codes + first * genes, valid * genes);
      if (!sum<M>(own.data(), &scratch.totals[0])) {
        space_.check(own.data(), valid, first);
        throw Error("a code is out of range");
      }
      if constexpr (R) mark_inside(own.data(), &scratch.inside[0]);
      detail::finish<M, R>(scratch, m_count, *target_.link, *target_.tables, mean_here, std_here,
                           members_here);
    };
    std::size_t row = 0;
    for (; n - row >= rows; row += rows) {
      // The lookups keep the processor from running ahead to the codes of the next steps.
      if (n - row >= 3 * rows) {
        const std::uint8_t* ahead = codes + (row + 2 * rows) * genes;
        for (std::size_t byte = 0; byte < rows * genes; byte += 64) ANB_PREFETCH(ahead + byte);
      }
      step(row, rows, mean + row, std + row, members ? members + row * m_count : nullptr);
    }
    if (row == n) return;
    const std::size_t left = n - row;
    std::vector<float> spare((2 + m_count) * rows);
    std::fill(own.begin(), own.end(), std::uint8_t{0});
    float* const spare_members = members ? spare.data() + 2 * rows : nullptr;
    step(row, left, spare.data(), spare.data() + rows, spare_members);
    std::memcpy(mean + row, spare.data(), left * sizeof(float));
    std::memcpy(std + row, spare.data() + rows, left * sizeof(float));
    if (members) {
      std::memcpy(members + row * m_count, spare_members, left * m_count * sizeof(float));
    }
  }

  // Says which rows of a step, whose codes are in range, are inside the link's regime.
  void mark_inside(const std::uint8_t* codes, std::int64_t* inside) const {
    const Regime& regime = *target_.link->regime;
    const std::uint8_t* of_code = regime.inside.data();
    const std::size_t genes = n_genes();
    codes += regime.gene;
    for (std::size_t r = 0; r < detail::step_rows; ++r) inside[r] = of_code[codes[r * genes]];
  }

  template <int M>
  ANB_INLINE bool sum(const std::uint8_t* codes, std::int32_t* totals) const {
    const std::int32_t* entries = &memory_[0].values[0];
    if constexpr (M > 0) {
      return unrolled_[0].template sum<M>(codes, entries, totals);
    } else {
      return any_->sum(codes, entries, n_members(), totals);
    }
  }

  SearchSpace space_;
  Target target_;
  std::vector<Surrogate> outputs_;      // of an artifact of several; it has no tables itself
  std::vector<Unrolled> unrolled_;      // one, where it fits space, terms and members
  std::optional<detail::AnySums> any_;  // where it does not
  std::vector<detail::CacheLine> memory_;
};

// The learning curve of one architecture, made by `Surrogate::curve`.
class Curve {
 public:
  Curve(const Surrogate& surrogate, Codes codes)
      : surrogate_(&surrogate), codes_(std::move(codes)) {
    surrogate.space().check_codes(codes_);
    if (!surrogate.target().curve) surrogate.target().fail_fidelity("");
    mean_.resize(at().size());
    std_.resize(at().size());
    surrogate.predict_curve(codes_.data(), 1, mean_.data(), std_.data());
  }

  // The knots, and mean and std there.
  const std::vector<double>& at() const { return surrogate_->target().curve->at; }
  const std::vector<float>& mean() const { return mean_; }
  const std::vector<float>& std() const { return std_; }

  // The prediction at a fidelity. Throws outside of the knots.
  Surrogate::Prediction at(double fidelity) const {
    Surrogate::Prediction found{0, 0, std::vector<float>(surrogate_->n_members())};
    surrogate_->predict_at(codes_.data(), 1, fidelity, &found.mean, &found.std,
                           found.members.data());
    return found;
  }

  // Where a share `level` of new measurements at a fidelity lies; nothing where that is not known.
  std::optional<Calibration::Interval> interval(double fidelity, double level) const {
    const Surrogate::Prediction found = at(fidelity);
    return surrogate_->target().interval_at(found.mean, found.std, fidelity, level);
  }

  // Where the mean reaches a level first; NaN where it never does.
  double crossing(double level) const {
    double found = 0;
    surrogate_->crossing(codes_.data(), 1, level, &found);
    return found;
  }

 private:
  const Surrogate* surrogate_;
  Codes codes_;
  std::vector<float> mean_, std_;
};

inline Curve Surrogate::curve(const Codes& codes) const { return Curve(*this, codes); }

}  // namespace anb

#endif  // ANB_TABLES_HPP
