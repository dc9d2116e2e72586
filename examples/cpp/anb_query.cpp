// Predicts architectures with onnxruntime.
#include "anb_cli.hpp"
#include "anb_commands.hpp"
#include "anb_onnxruntime.hpp"

namespace {

constexpr const char* usage =
    R"(usage: anb_query TARGET [ARCHITECTURE...] [options]
       anb_query --verify [TARGET...] [options]

Predicts architectures, or those on the lines of standard input if none is given, or "-". An
architecture is an index, all codes in the order of the genes, or values as JSON or Python writes them:
by the names of the genes {"gene": value, ...} or in their order [value, ...]. Of mnasnet, it may also
be efficientnet-b0 or four lists [[expansion...],[kernel...],[layers...],[se...]]; of nasbench201 a
string '|op~0|+|op~0|...'. docs/architectures.md has all of it.

Prints tab-separated text with a header, in the unit of the target: the mean; std, which says how far the
members disagree and is no error bar; predictive_std, how far a new measurement lies from the mean; and
lower and upper, between which a share LEVEL of new measurements lies.

  --artifacts DIR   folder of a benchmark (with manifest.json), or of several such folders
                    (default: ANB_ONNX_ARTIFACTS, else ./artifacts)
  --benchmark NAME  which of several benchmarks (default: accel-nasbench, or the only one)
  --interval LEVEL  share of new measurements in the interval (default: 0.9)
  --members         print each member's prediction, too
  --hex             print the bits of each float32
  --verify          compare with the golden vectors, bit for bit
  --version         print the release
  --help            print this

examples:
  anb_query accuracy efficientnet-b0
  anb_query latency_zcu102 2169626640 0 --interval 0.5
  anb_query throughput_a100 '[[1,6,6,6,6,6,6],[3,3,5,3,5,5,3],[1,2,2,3,3,4,1],[1,1,1,1,1,1,1]]'
  seq 1000 | anb_query accuracy > accuracy.tsv
)";

}  // namespace

int main(int argc, char** argv) {
  return anb::cli::run(argc, argv, usage, [](const auto& manifest, const auto& options) {
    using Engine = anb::OnnxRuntimeSurrogate;
    return options.verify ? anb::cli::verify<Engine>(manifest, options)
                          : anb::cli::query<Engine>(manifest, options);
  });
}
