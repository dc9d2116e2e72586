// Measures predictions per second with onnxruntime.
#include "anb_cli.hpp"
#include "anb_commands.hpp"
#include "anb_onnxruntime.hpp"

namespace {

constexpr const char* usage =
    R"(usage: anb_bench [--artifacts DIR] [--benchmark NAME] TARGET [--rows N] [--repeats N] [--threads N]
                 [--members]

Measures predictions per second of mean and std (and members) from codes in memory: the best and
the median of the repeats, by the clock and by the processor time of all threads.
)";

}  // namespace

int main(int argc, char** argv) {
  return anb::cli::run(argc, argv, usage, [](const auto& manifest, const auto& options) {
    return anb::cli::bench<anb::OnnxRuntimeSurrogate>(manifest, options);
  });
}
