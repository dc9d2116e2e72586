// Predicts architectures with onnxruntime.
#include "anb_cli.hpp"
#include "anb_commands.hpp"
#include "anb_onnxruntime.hpp"

namespace {

constexpr const char* usage =
    R"(usage: anb_query [--artifacts DIR] TARGET [ARCHITECTURE...] [options]
       anb_query [--artifacts DIR] --verify [TARGET...]

Predicts architectures, or those on the lines of standard input if none is given. An architecture
is efficientnet-b0, an index, all codes in the order of the genes, or four lists
[[expansion...],[kernel...],[layers...],[se...]]. Prints tab-separated text with a header.

  --artifacts DIR   folder of manifest.json (default: ANB_ONNX_ARTIFACTS, else ./artifacts)
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
