// The part of OpenVINO's C interface that Sallyport uses, behind a library that is opened at run time. OpenVINO's own headers are not needed
// to build, and a missing library is an error message instead of a process that does not start.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct sov_library sov_library;
typedef struct sov_model sov_model;
typedef struct sov_request sov_request;

// What went wrong, for the operator.
typedef struct {
    char text[512];
} sov_message;

// Opens libopenvino_c at `path` (a name without a slash is looked for where the loader looks). NULL: `message` says why.
// The library itself stays in memory for the life of the process.
sov_library *_Nullable sov_library_open(const char *_Nonnull path, sov_message *_Nonnull message);
void sov_library_close(sov_library *_Nonnull library);
// For instance "2026.4.1-...".
const char *_Nonnull sov_library_version(const sov_library *_Nonnull library);
// Makes the engine; nothing below may be called before. To be called once the version was found right. 0: done.
int sov_library_start(sov_library *_Nonnull library, sov_message *_Nonnull message);
// The property of the CPU, copied into `value`. 0: done.
int sov_library_property(
    const sov_library *_Nonnull library, const char *_Nonnull key, char *_Nonnull value, size_t capacity, sov_message *_Nonnull message);

// Settings by OpenVINO's own names, all as text.
typedef struct {
    const char *_Nonnull precision;
    const char *_Nonnull streams;
    const char *_Nonnull threads;
} sov_settings;

// Compiles a model in OpenVINO's IR for the CPU. `weights` must stay where they are, unchanged, until the model is freed.
sov_model *_Nullable sov_model_compile(
    const sov_library *_Nonnull library, const char *_Nonnull xml, size_t xml_length, const void *_Nonnull weights, size_t weights_length,
    sov_settings settings, sov_message *_Nonnull message);
void sov_model_free(sov_model *_Nonnull model);

// One run at a time. The model must outlive it.
sov_request *_Nullable sov_request_create(const sov_model *_Nonnull model, sov_message *_Nonnull message);
void sov_request_free(sov_request *_Nonnull request);
// Gives the request `rows` x `columns` numbers for an input. They must stay where they are until the run is over. 0: done.
int sov_request_set_input(
    sov_request *_Nonnull request, const char *_Nonnull name, const int32_t *_Nonnull values, int64_t rows, int64_t columns,
    sov_message *_Nonnull message);
int sov_request_run(sov_request *_Nonnull request, sov_message *_Nonnull message);
// The floats of an output, valid until the next run. 0: done.
int sov_request_output(
    sov_request *_Nonnull request, const char *_Nonnull name, const float *_Nullable *_Nonnull values, size_t *_Nonnull count,
    sov_message *_Nonnull message);
