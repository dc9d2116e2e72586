// A surrogate in an onnxruntime session. C++17; works with onnxruntime's own headers, or with
// ANB_ONNXRUNTIME_LIBRARY defined as the path of its shared library, without them.
#ifndef ANB_ONNXRUNTIME_HPP
#define ANB_ONNXRUNTIME_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "anb_manifest.hpp"
#include "anb_onnx_file.hpp"

#if defined(ANB_ONNXRUNTIME_LIBRARY)
#include <dlfcn.h>

#include <filesystem>

#include "onnxruntime_minimal.hpp"
#else
#include <onnxruntime_c_api.h>
#endif

namespace anb {

// onnxruntime's functions, and one environment for all sessions.
class OnnxRuntime {
 public:
  static const OnnxRuntime& instance() {
    static const OnnxRuntime runtime;
    return runtime;
  }

  const OrtApi& api() const { return *api_; }
  const OrtEnv* env() const { return env_; }
  const std::string& version() const { return version_; }

  // Throws if a call failed; every call of the API returns a status, which is null if all is well.
  void check(OrtStatus* status, const char* what) const {
    if (!status) return;
    const std::string message = api_->GetErrorMessage(status);
    api_->ReleaseStatus(status);
    throw Error(std::string("onnxruntime ") + version_ + ": " + what + ": " + message);
  }

  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;

 private:
  OnnxRuntime() {
    // Set before the library is opened: some releases report their use from threads of their own.
    set_variable("ORT_DISABLE_TELEMETRY", "1");
    const OrtApiBase* base = find_base();
    version_ = base->GetVersionString();
    api_ = base->GetApi(ORT_API_VERSION);
    if (!api_) {
      throw Error("onnxruntime " + version_ + " lacks version " +
                  std::to_string(ORT_API_VERSION) + " of its API; install a newer onnxruntime");
    }
    check(api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "anb", &env_), "environment");
  }

  ~OnnxRuntime() { api_->ReleaseEnv(env_); }

  // Sets an environment variable that is not set yet.
  static void set_variable(const char* name, const char* value) {
#if defined(_WIN32)
    if (!std::getenv(name)) _putenv_s(name, value);
#else
    ::setenv(name, value, 0);
#endif
  }

#if defined(ANB_ONNXRUNTIME_LIBRARY)
  // The library stays loaded for the life of the process, as if it were linked.
  static const OrtApiBase* find_base() {
    const char* chosen = std::getenv("ANB_ONNXRUNTIME");
    const std::string path = chosen && *chosen ? chosen : ANB_ONNXRUNTIME_LIBRARY;
    if (path.find('/') != std::string::npos && std::filesystem::exists(path) &&
        !std::filesystem::is_regular_file(path)) {
      throw Error("cannot load onnxruntime: " + path + " is no regular file; set ANB_ONNXRUNTIME " +
                  "to the path of libonnxruntime");
    }
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char* why = dlerror();
      throw Error(std::string("cannot load onnxruntime: ") + (why ? why : path.c_str()) +
                  "; set ANB_ONNXRUNTIME to the path of libonnxruntime");
    }
    void* symbol = dlsym(library, "OrtGetApiBase");
    if (!symbol) throw Error(path + " is not onnxruntime: it has no function OrtGetApiBase");
    return reinterpret_cast<const OrtApiBase* (*)()>(symbol)();
  }
#else
  static const OrtApiBase* find_base() { return OrtGetApiBase(); }
#endif

  const OrtApi* api_ = nullptr;
  OrtEnv* env_ = nullptr;
  std::string version_;
};

// One target's surrogate. Any number of threads may call `predict` at once, each with its own range
// of rows; the session itself has one thread.
class OnnxRuntimeSurrogate {
 public:
  // Opens a target of a folder of artifacts; checks the file's size and SHA-256, and that it says
  // of itself what the manifest says of it.
  OnnxRuntimeSurrogate(const Manifest& manifest, const std::string& target)
      : space_(manifest.space()), target_(manifest.find(target)) {
    const Bytes onnx = manifest.read_listed(target_);
    check_file(space_, target_, onnx);
    const auto options = make<OrtSessionOptions>(
        [&](OrtSessionOptions** out) { return api().CreateSessionOptions(out); },
        api().ReleaseSessionOptions, "session options");
    check(api().SetIntraOpNumThreads(options.get(), 1), "session options");
    check(api().SetInterOpNumThreads(options.get(), 1), "session options");
    session_ = make<OrtSession>(
        [&](OrtSession** out) {
          return api().CreateSessionFromArray(runtime_.env(), onnx.data(), onnx.size(),
                                              options.get(), out);
        },
        api().ReleaseSession, target_.file.c_str());
    memory_ = make<OrtMemoryInfo>(
        [&](OrtMemoryInfo** out) {
          return api().CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, out);
        },
        api().ReleaseMemoryInfo, "memory");
  }

  static std::string engine() { return "onnxruntime " + OnnxRuntime::instance().version(); }

  const SearchSpace& space() const { return space_; }
  const Target& target() const { return target_; }
  std::size_t n_genes() const { return space_.genes().size(); }
  std::size_t n_members() const { return target_.members; }

  // Predicts n architectures: codes[n * n_genes] -> mean[n], std[n] and, unless it is null,
  // members[n * n_members], in the target's unit. Throws if a code is out of range.
  void predict(const std::uint8_t* codes, std::size_t n, float* mean, float* std,
               float* members = nullptr) const {
    // Bigger calls are slower: onnxruntime allocates every intermediate result anew.
    constexpr std::size_t most_rows = 2048;
    // Another thread may write to the codes meanwhile: what is checked is what the graph reads.
    Codes own(std::min(most_rows, n) * n_genes());
    for (std::size_t row = 0; row < n; row += most_rows) {
      const std::size_t rows = std::min(most_rows, n - row);
      std::copy_n(codes + row * n_genes(), rows * n_genes(), own.begin());
      space_.check(own.data(), rows, row);
      run(own.data(), rows, mean + row, std + row,
          members ? members + row * n_members() : nullptr);
    }
  }

 private:
  template <class T>
  using Owned = std::unique_ptr<T, void (*)(T*)>;
  using Tensor = Owned<OrtValue>;

  const OrtApi& api() const { return runtime_.api(); }
  void check(OrtStatus* status, const char* what) const { runtime_.check(status, what); }

  template <class T, class Create, class Release>
  Owned<T> make(Create create, Release release, const char* what) const {
    T* made = nullptr;
    check(create(&made), what);
    return Owned<T>(made, release);
  }

  // A tensor over memory of ours: neither inputs nor outputs are copied.
  template <class Value>
  Tensor tensor(Value* data, std::size_t rows, std::size_t columns, std::size_t rank,
                ONNXTensorElementDataType type) const {
    const std::int64_t shape[] = {static_cast<std::int64_t>(rows),
                                  static_cast<std::int64_t>(columns)};
    return make<OrtValue>(
        [&](OrtValue** out) {
          return api().CreateTensorWithDataAsOrtValue(
              memory_.get(), data, rows * columns * sizeof(Value), shape, rank, type, out);
        },
        api().ReleaseValue, "tensor");
  }

  void run(const std::uint8_t* codes, std::size_t rows, float* mean, float* std,
           float* members) const {
    static const char* const input_names[] = {"architectures"};
    static const char* const output_names[] = {"mean", "std", "members"};
    constexpr auto uint8 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
    constexpr auto float32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    // The API takes inputs as pointers to what may be written, but never writes to them.
    const Tensor input = tensor(const_cast<std::uint8_t*>(codes), rows, n_genes(), 2, uint8);
    const Tensor mean_tensor = tensor(mean, rows, 1, 1, float32);
    const Tensor std_tensor = tensor(std, rows, 1, 1, float32);
    Tensor members_tensor(nullptr, api().ReleaseValue);
    if (members) members_tensor = tensor(members, rows, n_members(), 2, float32);
    const OrtValue* const inputs[] = {input.get()};
    OrtValue* outputs[] = {mean_tensor.get(), std_tensor.get(), members_tensor.get()};
    check(api().Run(session_.get(), nullptr, input_names, inputs, 1, output_names,
                    members ? 3 : 2, outputs),
          target_.file.c_str());
  }

  const OnnxRuntime& runtime_ = OnnxRuntime::instance();
  SearchSpace space_;
  Target target_;
  Owned<OrtSession> session_{nullptr, nullptr};
  Owned<OrtMemoryInfo> memory_{nullptr, nullptr};
};

}  // namespace anb

#endif  // ANB_ONNXRUNTIME_HPP
