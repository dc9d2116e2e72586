// Predicts architectures with onnxruntime.
#include "anb_cli.hpp"
#include "anb_commands.hpp"
#include "anb_onnxruntime.hpp"

namespace {

constexpr const char* usage =
    R"(usage: anb_query TARGET [ARCHITECTURE...] [options]
       anb_query --verify [TARGET...] [options]

Predicts architectures, or those on the lines of standard input if none is given. An architecture
is an index, all codes in the order of the genes, or JSON: values by the names of the genes
{"gene": value, ...} or in their order [value, ...]. Of mnasnet, it may also be efficientnet-b0 or
four lists [[expansion...],[kernel...],[layers...],[se...]]; of nasbench201 a string '|op~0|+|op~0|...'.
Prints tab-separated text with a header.

  --artifacts DIR   folder of a benchmark (with manifest.json), or of several such folders
                    (default: ANB_ONNX_ARTIFACTS, else ./artifacts)
  --benchmark NAME  which of several benchmarks (default: accel-nasbench, or the only one)
  --members         print each member's prediction
  --interval LEVEL  print the calibrated scale and interval, for example 0.9
  --hex             print the bits of each float32
  --verify          compare with the golden vectors, bit for bit
)";

}  // namespace

int main(int argc, char** argv) {
  return anb::cli::run(argc, argv, usage, [](const auto& manifest, const auto& options) {
    using Engine = anb::OnnxRuntimeSurrogate;
    return options.verify ? anb::cli::verify<Engine>(manifest, options)
                          : anb::cli::query<Engine>(manifest, options);
  });
}
