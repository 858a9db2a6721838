#include "openvino_shim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// OpenVINO's C interface of 2026, as far as it is used. `sov_library_version` is checked before any of it is relied upon.
typedef struct ov_core ov_core_t;
typedef struct ov_model ov_model_t;
typedef struct ov_compiled_model ov_compiled_model_t;
typedef struct ov_infer_request ov_infer_request_t;
typedef struct ov_tensor ov_tensor_t;
typedef struct {
    const char *buildNumber;
    const char *description;
} ov_version_t;
typedef struct {
    int64_t rank;
    int64_t *dims;
} ov_shape_t;
enum { SOV_F32 = 4, SOV_I32 = 9, SOV_U8 = 16 };

typedef struct {
    int (*ov_get_openvino_version)(ov_version_t *);
    void (*ov_version_free)(ov_version_t *);
    const char *(*ov_get_last_err_msg)(void);
    const char *(*ov_get_error_info)(int);
    void (*ov_free)(const char *);
    int (*ov_core_create)(ov_core_t **);
    void (*ov_core_free)(ov_core_t *);
    int (*ov_core_get_property)(const ov_core_t *, const char *, const char *, char **);
    int (*ov_core_read_model_from_memory_buffer)(const ov_core_t *, const char *, size_t, const ov_tensor_t *, ov_model_t **);
    void (*ov_model_free)(ov_model_t *);
    int (*ov_core_compile_model)(const ov_core_t *, const ov_model_t *, const char *, size_t, ov_compiled_model_t **, ...);
    void (*ov_compiled_model_free)(ov_compiled_model_t *);
    int (*ov_compiled_model_create_infer_request)(const ov_compiled_model_t *, ov_infer_request_t **);
    void (*ov_infer_request_free)(ov_infer_request_t *);
    int (*ov_infer_request_set_tensor)(ov_infer_request_t *, const char *, const ov_tensor_t *);
    int (*ov_infer_request_get_tensor)(const ov_infer_request_t *, const char *, ov_tensor_t **);
    int (*ov_infer_request_infer)(ov_infer_request_t *);
    int (*ov_tensor_create_from_host_ptr)(int, ov_shape_t, void *, ov_tensor_t **);
    int (*ov_tensor_get_element_type)(const ov_tensor_t *, int *);
    int (*ov_tensor_get_size)(const ov_tensor_t *, size_t *);
    int (*ov_tensor_data)(const ov_tensor_t *, void **);
    void (*ov_tensor_free)(ov_tensor_t *);
} functions;

struct sov_library {
    functions f;
    ov_core_t *core;
    char version[128];
};
struct sov_model {
    const sov_library *library;
    ov_compiled_model_t *compiled;
};
struct sov_request {
    const sov_library *library;
    ov_infer_request_t *request;
};

static int failed(const functions *f, int status, const char *what, sov_message *message) {
    if (status == 0) return 0;
    const char *last = f->ov_get_last_err_msg();
    const char *kind = f->ov_get_error_info(status);
    snprintf(message->text, sizeof message->text, "%s: %s", what, last && *last ? last : kind ? kind : "unknown error");
    return status;
}

static int out_of_memory(sov_message *message) {
    snprintf(message->text, sizeof message->text, "out of memory");
    return -1;
}

sov_library *sov_library_open(const char *path, sov_message *message) {
    // Not closed again, even after an error: libraries with threads and thread-locals do not survive it.
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        snprintf(message->text, sizeof message->text, "%s", reason ? reason : "cannot be opened");
        return NULL;
    }
    sov_library *library = calloc(1, sizeof *library);
    if (!library) {
        out_of_memory(message);
        return NULL;
    }
// POSIX lets a symbol's address become a function pointer through its bytes.
#define RESOLVE(name)                                                                              \
    {                                                                                              \
        void *symbol = dlsym(handle, #name);                                                       \
        if (!symbol) {                                                                             \
            snprintf(message->text, sizeof message->text, "%s: lacks %s", path, #name);            \
            free(library);                                                                         \
            return NULL;                                                                           \
        }                                                                                          \
        memcpy(&library->f.name, &symbol, sizeof symbol);                                          \
    }
    RESOLVE(ov_get_openvino_version)
    RESOLVE(ov_version_free)
    RESOLVE(ov_get_last_err_msg)
    RESOLVE(ov_get_error_info)
    RESOLVE(ov_free)
    RESOLVE(ov_core_create)
    RESOLVE(ov_core_free)
    RESOLVE(ov_core_get_property)
    RESOLVE(ov_core_read_model_from_memory_buffer)
    RESOLVE(ov_model_free)
    RESOLVE(ov_core_compile_model)
    RESOLVE(ov_compiled_model_free)
    RESOLVE(ov_compiled_model_create_infer_request)
    RESOLVE(ov_infer_request_free)
    RESOLVE(ov_infer_request_set_tensor)
    RESOLVE(ov_infer_request_get_tensor)
    RESOLVE(ov_infer_request_infer)
    RESOLVE(ov_tensor_create_from_host_ptr)
    RESOLVE(ov_tensor_get_element_type)
    RESOLVE(ov_tensor_get_size)
    RESOLVE(ov_tensor_data)
    RESOLVE(ov_tensor_free)
#undef RESOLVE
    ov_version_t version = {0};
    if (failed(&library->f, library->f.ov_get_openvino_version(&version), "version", message)) {
        free(library);
        return NULL;
    }
    snprintf(library->version, sizeof library->version, "%s", version.buildNumber ? version.buildNumber : "");
    library->f.ov_version_free(&version);
    return library;
}

int sov_library_start(sov_library *library, sov_message *message) {
    if (library->core) return 0;
    return failed(&library->f, library->f.ov_core_create(&library->core), "engine", message);
}

void sov_library_close(sov_library *library) {
    if (library->core) library->f.ov_core_free(library->core);
    free(library);
}

const char *sov_library_version(const sov_library *library) { return library->version; }

int sov_library_property(const sov_library *library, const char *key, char *value, size_t capacity, sov_message *message) {
    char *found = NULL;
    int status = failed(&library->f, library->f.ov_core_get_property(library->core, "CPU", key, &found), key, message);
    if (status) return status;
    snprintf(value, capacity, "%s", found ? found : "");
    if (found) library->f.ov_free(found);
    return 0;
}

sov_model *sov_model_compile(
    const sov_library *library, const char *xml, size_t xml_length, const void *weights, size_t weights_length, sov_settings settings,
    sov_message *message) {
    const functions *f = &library->f;
    int64_t length = (int64_t)weights_length;
    ov_shape_t shape = {1, &length};
    ov_tensor_t *tensor = NULL;
    ov_model_t *model = NULL;
    ov_compiled_model_t *compiled = NULL;
    sov_model *result = NULL;
    // The interface takes a pointer to mutable memory, but weights are only read.
    if (failed(f, f->ov_tensor_create_from_host_ptr(SOV_U8, shape, (void *)(uintptr_t)weights, &tensor), "weights", message)) goto end;
    if (failed(f, f->ov_core_read_model_from_memory_buffer(library->core, xml, xml_length, tensor, &model), "reading", message)) goto end;
    // Ten arguments: five properties, each name followed by its value.
    if (failed(
            f,
            f->ov_core_compile_model(
                library->core, model, "CPU", 10, &compiled, "INFERENCE_PRECISION_HINT", settings.precision, "NUM_STREAMS", settings.streams,
                "INFERENCE_NUM_THREADS", settings.threads, "ENABLE_CPU_PINNING", "NO", "DYNAMIC_QUANTIZATION_GROUP_SIZE", "0"),
            "compiling", message))
        goto end;
    result = calloc(1, sizeof *result);
    if (!result) {
        out_of_memory(message);
        goto end;
    }
    result->library = library;
    result->compiled = compiled;
    compiled = NULL;
end:
    if (compiled) f->ov_compiled_model_free(compiled);
    if (model) f->ov_model_free(model);
    if (tensor) f->ov_tensor_free(tensor);
    return result;
}

void sov_model_free(sov_model *model) {
    model->library->f.ov_compiled_model_free(model->compiled);
    free(model);
}

sov_request *sov_request_create(const sov_model *model, sov_message *message) {
    const functions *f = &model->library->f;
    ov_infer_request_t *made = NULL;
    if (failed(f, f->ov_compiled_model_create_infer_request(model->compiled, &made), "request", message)) return NULL;
    sov_request *request = calloc(1, sizeof *request);
    if (!request) {
        f->ov_infer_request_free(made);
        out_of_memory(message);
        return NULL;
    }
    request->library = model->library;
    request->request = made;
    return request;
}

void sov_request_free(sov_request *request) {
    request->library->f.ov_infer_request_free(request->request);
    free(request);
}

int sov_request_set_input(
    sov_request *request, const char *name, const int32_t *values, int64_t rows, int64_t columns, sov_message *message) {
    const functions *f = &request->library->f;
    int64_t sizes[2] = {rows, columns};
    ov_shape_t shape = {2, sizes};
    ov_tensor_t *tensor = NULL;
    // The interface takes a pointer to mutable memory, but inputs are only read.
    int status = failed(f, f->ov_tensor_create_from_host_ptr(SOV_I32, shape, (void *)(uintptr_t)values, &tensor), name, message);
    if (status) return status;
    status = failed(f, f->ov_infer_request_set_tensor(request->request, name, tensor), name, message);
    f->ov_tensor_free(tensor);
    return status;
}

int sov_request_run(sov_request *request, sov_message *message) {
    return failed(&request->library->f, request->library->f.ov_infer_request_infer(request->request), "run", message);
}

int sov_request_output(sov_request *request, const char *name, const float **values, size_t *count, sov_message *message) {
    const functions *f = &request->library->f;
    ov_tensor_t *tensor = NULL;
    int type = 0;
    void *data = NULL;
    int status = failed(f, f->ov_infer_request_get_tensor(request->request, name, &tensor), name, message);
    if (status) return status;
    status = failed(f, f->ov_tensor_get_element_type(tensor, &type), name, message);
    if (!status && type != SOV_F32) {
        snprintf(message->text, sizeof message->text, "%s: not of type f32", name);
        status = -1;
    }
    if (!status) status = failed(f, f->ov_tensor_get_size(tensor, count), name, message);
    if (!status) status = failed(f, f->ov_tensor_data(tensor, &data), name, message);
    // The request keeps the memory; this is only one more handle on it.
    f->ov_tensor_free(tensor);
    *values = data;
    return status;
}
