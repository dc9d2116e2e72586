// Predicts architectures, and measures how fast, with nothing but anb_surrogate.hpp.
#include "anb_surrogate.hpp"

#include "../anb_cli.hpp"
#include "../anb_commands.hpp"

namespace {

constexpr const char* usage =
    R"(usage: anb_standalone query TARGET [ARCHITECTURE...] [options]
       anb_standalone verify [TARGET...] [options]
       anb_standalone bench TARGET [--rows N] [--repeats N] [--threads N] [options]

query   predicts architectures, or those on the lines of standard input if none is given. An
        architecture is an index, all codes in the order of the genes, or JSON: values by the names of
        the genes {"gene": value, ...} or in their order [value, ...]. Of mnasnet, it may also be
        efficientnet-b0 or four lists [[expansion...],[kernel...],[layers...],[se...]]; of
        nasbench201 a string '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|'.
        Prints tab-separated text.
verify  compares with the golden vectors, bit for bit.
bench   measures predictions per second of mean and std from codes in memory: the best and the
        median of the repeats, by the clock and by the processor time of all threads.

  --artifacts DIR   folder of a benchmark (with manifest.json), or of several such folders
                    (default: ANB_ONNX_ARTIFACTS, else ./artifacts)
  --benchmark NAME  which of several benchmarks (default: accel-nasbench, or the only one)
  --members         each member's prediction, too
  --interval LEVEL  print the calibrated scale and interval, for example 0.9
  --hex             print the bits of each float32
)";

}  // namespace

int main(int argc, char** argv) {
  return anb::cli::run(argc, argv, usage, [](const auto& manifest, auto options) {
    using Engine = anb::Surrogate;
    const std::string command = options.arguments.empty() ? "" : options.arguments[0];
    if (!options.arguments.empty()) options.arguments.erase(options.arguments.begin());
    if (command == "query") return anb::cli::query<Engine>(manifest, options);
    if (command == "verify") return anb::cli::verify<Engine>(manifest, options);
    if (command == "bench") return anb::cli::bench<Engine>(manifest, options);
    throw anb::Error("the command must be query, verify or bench, not '" + command + "'");
  });
}
