// The few entries of onnxruntime's C API that these examples use, declared by ourselves, for
// machines that have onnxruntime's shared library but not its headers: PyPI's and npm's packages
// ship `libonnxruntime` alone. Where the headers are installed, these examples use them instead.
//
// The library hands out one struct of function pointers. It is append-only (onnxruntime promises
// never to change the order of what was shipped), so an entry's place in the struct is part of the
// ABI. All entries used were shipped with version 1 of the API, which ends with entry 101.
// Entries that are not used are declared as untyped pointers, named by their places.
#ifndef ANB_ONNXRUNTIME_MINIMAL_HPP
#define ANB_ONNXRUNTIME_MINIMAL_HPP

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#error "these declarations are for Linux and macOS; install onnxruntime's headers"
#endif

extern "C" {

struct OrtEnv;
struct OrtMemoryInfo;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtStatus;
struct OrtValue;

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_ERROR = 3 };
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };
enum ONNXTensorElementDataType {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 = 2
};

struct OrtApi {
  void* entries_0_to_1[2];
  const char* (*GetErrorMessage)(const OrtStatus* status);
  OrtStatus* (*CreateEnv)(OrtLoggingLevel level, const char* name, OrtEnv** out);
  void* entries_4_to_7[4];
  OrtStatus* (*CreateSessionFromArray)(const OrtEnv* env, const void* model, std::size_t bytes,
                                       const OrtSessionOptions* options, OrtSession** out);
  OrtStatus* (*Run)(OrtSession* session, const OrtRunOptions* options,
                    const char* const* input_names, const OrtValue* const* inputs,
                    std::size_t n_inputs, const char* const* output_names, std::size_t n_outputs,
                    OrtValue** outputs);
  OrtStatus* (*CreateSessionOptions)(OrtSessionOptions** out);
  void* entries_11_to_23[13];
  OrtStatus* (*SetIntraOpNumThreads)(OrtSessionOptions* options, int n);
  OrtStatus* (*SetInterOpNumThreads)(OrtSessionOptions* options, int n);
  void* entries_26_to_48[23];
  OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo* info, void* data,
                                               std::size_t bytes, const std::int64_t* shape,
                                               std::size_t rank, ONNXTensorElementDataType type,
                                               OrtValue** out);
  void* entries_50_to_68[19];
  OrtStatus* (*CreateCpuMemoryInfo)(OrtAllocatorType allocator, OrtMemType type,
                                    OrtMemoryInfo** out);
  void* entries_70_to_91[22];
  void (*ReleaseEnv)(OrtEnv* env);
  void (*ReleaseStatus)(OrtStatus* status);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo* info);
  void (*ReleaseSession)(OrtSession* session);
  void (*ReleaseValue)(OrtValue* value);
  void* entries_97_to_99[3];
  void (*ReleaseSessionOptions)(OrtSessionOptions* options);
};

struct OrtApiBase {
  // Null if the library does not have that version of the API.
  const OrtApi* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};

}  // extern "C"

inline constexpr std::uint32_t ORT_API_VERSION = 1;

static_assert(offsetof(OrtApi, Run) == 9 * sizeof(void*));
static_assert(offsetof(OrtApi, SetIntraOpNumThreads) == 24 * sizeof(void*));
static_assert(offsetof(OrtApi, CreateTensorWithDataAsOrtValue) == 49 * sizeof(void*));
static_assert(offsetof(OrtApi, CreateCpuMemoryInfo) == 69 * sizeof(void*));
static_assert(offsetof(OrtApi, ReleaseSessionOptions) == 100 * sizeof(void*));

#endif  // ANB_ONNXRUNTIME_MINIMAL_HPP
