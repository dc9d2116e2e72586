// Predicts architectures, and measures how fast, with nothing but anb_surrogate.hpp.
#include "anb_surrogate.hpp"

#include "../anb_cli.hpp"
#include "../anb_commands.hpp"

namespace {

constexpr const char* usage =
    R"(usage: anb_standalone query TARGET [ARCHITECTURE...] [options]
       anb_standalone verify [TARGET...] [options]
       anb_standalone bench TARGET [--rows N] [--repeats N] [--threads N] [options]

query   predicts architectures, or those on the lines of standard input if none is given, or "-". An
        architecture is an index, all codes in the order of the genes, or values as JSON or Python
        writes them: by the names of the genes {"gene": value, ...} or in their order [value, ...].
        Of mnasnet, it may also be efficientnet-b0 or four lists
        [[expansion...],[kernel...],[layers...],[se...]]; of nasbench201 a string
        '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|'. docs/architectures.md has all of it.
        Prints tab-separated text with a header, in the unit of the target: the mean; std, which says
        how far the members disagree and is no error bar; predictive_std, how far a new measurement
        lies from the mean; and lower and upper, between which a share LEVEL of new measurements lies.
verify  compares with the golden vectors, bit for bit.
bench   measures predictions per second of mean and std from codes in memory: the best and the
        median of the repeats, by the clock and by the processor time of all threads.

  --artifacts DIR   folder of a benchmark (with manifest.json), or of several such folders
                    (default: ANB_ONNX_ARTIFACTS, else ./artifacts)
  --benchmark NAME  which of several benchmarks (default: accel-nasbench, or the only one)
  --interval LEVEL  share of new measurements in the interval (default: 0.9)
  --fidelity T      of a curve, predict its value at epoch T rather than at its end
  --seeds N         the interval of the mean of N runs of different seeds, where the artifact predicts
                    their noise
  --members         each member's prediction, too
  --hex             print the bits of each float32
  --version         print the release
  --help            print this

examples:
  anb_standalone query accuracy efficientnet-b0
  anb_standalone query latency_zcu102 2169626640 0 --interval 0.5
  seq 1000 | anb_standalone query accuracy > accuracy.tsv
  anb_standalone verify
  anb_standalone bench accuracy --threads 2
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
