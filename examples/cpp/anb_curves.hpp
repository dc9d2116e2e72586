// Curves from the coefficients that members predict, in float64 steps of a fixed order: what
// docs/reference/format.md says under Curves. No dependencies; C++17.
#ifndef ANB_CURVES_HPP
#define ANB_CURVES_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "anb_arithmetic.hpp"
#include "anb_cards.hpp"

namespace anb::detail {

// Curves of a step of rows. Values of a member lie side by side, those of the next one behind them,
// as in `Scratch`.
class StepCurves {
 public:
  // `outputs` are what the members predict of each output; nothing is asked of those that are
  // neither coefficients nor the gate. All three must outlive this.
  StepCurves(const CurveForm& curve, const Link& link,
             const std::vector<std::vector<double>>& outputs)
      : curve_(curve), link_(link), outputs_(outputs), n_(outputs[0].size()) {}

  // The members' values at a knot.
  void at_knot(std::size_t i, std::vector<double>& y) const {
    y.assign(n_, curve_.offset[i]);
    for (std::size_t j = 0; j < curve_.coefficients; ++j) {
      const double weight = curve_.basis[i * curve_.coefficients + j];
      const double* c = outputs_[j].data();
      for (std::size_t e = 0; e < n_; ++e) y[e] = y[e] + c[e] * weight;
    }
    if (curve_.gate) {
      const double* c = outputs_[*curve_.gate].data();
      const double rest = curve_.rest[i];
      for (std::size_t e = 0; e < n_; ++e) {
        const double above = c[e] > 0 ? c[e] : 0.0, gate = above < 1 ? above : 1.0;
        y[e] = rest + gate * (y[e] - rest);
      }
    }
    if (curve_.range) {
      const auto [low, high] = *curve_.range;
      for (std::size_t e = 0; e < n_; ++e) {
        const double above = y[e] > low ? y[e] : low;
        y[e] = above < high ? above : high;
      }
    }
    invert(y);
  }

  // The members' values at a fidelity.
  void at(double t, std::vector<double>& y) const {
    const std::size_t i = curve_.knot_before(t);
    at_knot(i, y);
    if (curve_.at[i] == t) return;
    const double share = (t - curve_.at[i]) / (curve_.at[i + 1] - curve_.at[i]);
    std::vector<double> next;
    at_knot(i + 1, next);
    for (std::size_t e = 0; e < n_; ++e) y[e] = y[e] + share * (next[e] - y[e]);
  }

  // Where the mean of each row reaches a level first; NaN where it does not.
  void crossing(double level, bool rising, double* found) const {
    std::vector<double> y, before(step_rows), mean(step_rows);
    std::fill(found, found + step_rows, std::numeric_limits<double>::quiet_NaN());
    std::vector<bool> done(step_rows);
    for (std::size_t i = 0; i < curve_.at.size(); ++i) {
      at_knot(i, y);
      find_means(y, mean);
      for (std::size_t r = 0; r < step_rows; ++r) {
        if (done[r] || !(rising ? mean[r] >= level : mean[r] <= level)) continue;
        done[r] = true;
        found[r] = curve_.at[i];
        if (i == 0) continue;
        const double from = curve_.at[i - 1], share = (level - before[r]) / (mean[r] - before[r]);
        found[r] = from + (curve_.at[i] - from) * share;
      }
      std::swap(before, mean);
    }
  }

 private:
  void find_means(const std::vector<double>& y, std::vector<double>& mean) const {
    const std::size_t m_count = n_ / step_rows;
    for (std::size_t r = 0; r < step_rows; ++r) mean[r] = y[r];
    for (std::size_t m = 1; m < m_count; ++m) {
      for (std::size_t r = 0; r < step_rows; ++r) mean[r] += y[m * step_rows + r];
    }
    for (double& value : mean) value /= static_cast<double>(m_count);
  }

  // The inverse link, which has no regime.
  void invert(std::vector<double>& y) const {
    auto hinge = link_.hinges.begin();
    for (const Step step : link_.inverse) {
      switch (step) {
        case Step::square:
          for (double& value : y) value = value * value;
          break;
        case Step::sqrt:
          for (double& value : y) value = std::sqrt(value);
          break;
        case Step::reciprocal:
          for (double& value : y) value = 1.0 / value;
          break;
        case Step::reflect:
          for (double& value : y) value = link_.offset - value;
          break;
        case Step::hinge: {
          const auto [knot, change] = *hinge++;
          for (double& value : y) {
            const double above = value - knot;
            value += (above > 0 ? above : 0.0) * change;
          }
          break;
        }
        case Step::regime: break;
      }
    }
  }

  const CurveForm& curve_;
  const Link& link_;
  const std::vector<std::vector<double>>& outputs_;
  std::size_t n_;
};

}  // namespace anb::detail

#endif  // ANB_CURVES_HPP
