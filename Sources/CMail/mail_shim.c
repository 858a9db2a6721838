#define _GNU_SOURCE
#include "mail_shim.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

enum { DEEPEST = 32, MOST_PARTS = 4096 };

typedef unsigned long GType;
typedef struct {
    unsigned char *data;
    unsigned int len;
} GByteArray;

// GMime 3.0 and GObject 2, as far as they are used.
static struct {
    void (*g_mime_init)(void);
    void *(*g_mime_stream_mem_new_with_buffer)(const char *, size_t);
    void *(*g_mime_stream_mem_new)(void);
    GByteArray *(*g_mime_stream_mem_get_byte_array)(void *);
    void *(*g_mime_parser_new_with_stream)(void *);
    void *(*g_mime_parser_construct_message)(void *, void *);
    void *(*g_mime_message_get_mime_part)(void *);
    const char *(*g_mime_object_get_header)(void *, const char *);
    char *(*g_mime_utils_header_decode_text)(void *, const char *);
    void *(*g_mime_object_get_content_type)(void *);
    const char *(*g_mime_content_type_get_media_type)(void *);
    const char *(*g_mime_content_type_get_media_subtype)(void *);
    const char *(*g_mime_content_type_get_parameter)(void *, const char *);
    int (*g_mime_multipart_get_count)(void *);
    void *(*g_mime_multipart_get_part)(void *, int);
    const char *(*g_mime_part_get_filename)(void *);
    void *(*g_mime_part_get_content)(void *);
    ssize_t (*g_mime_data_wrapper_write_to_stream)(void *, void *);
    char *(*g_mime_text_part_get_text)(void *);
    const char *(*g_mime_object_get_disposition)(void *);
    void *(*g_mime_message_part_get_message)(void *);
    ssize_t (*g_mime_object_write_to_stream)(void *, void *, void *);
    GType (*g_mime_multipart_get_type)(void);
    GType (*g_mime_part_get_type)(void);
    GType (*g_mime_text_part_get_type)(void);
    GType (*g_mime_message_part_get_type)(void);
} gmime;

static struct {
    void (*g_object_unref)(void *);
    int (*g_type_check_instance_is_a)(void *, GType);
    void (*g_free)(void *);
} gobject;

// libgsf 1, as far as it is used.
static struct {
    void (*gsf_init)(void);
    void *(*gsf_input_memory_new)(const unsigned char *, long, int);
    void *(*gsf_infile_msole_new)(void *, void *);
    int (*gsf_infile_num_children)(void *);
    void *(*gsf_infile_child_by_index)(void *, int);
    const char *(*gsf_infile_name_by_index)(void *, int);
    long (*gsf_input_size)(void *);
    const unsigned char *(*gsf_input_read)(void *, size_t, unsigned char *);
} gsf;

static int load(void *library, void **place, const char *name) {
    *place = dlsym(library, name);
    return *place != NULL;
}
#define LOAD(library, table, name) load(library, (void **)&table.name, #name)

static int load_gobject(void) {
    void *library = dlopen("libgobject-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    void *glib = dlopen("libglib-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    return library && glib && LOAD(library, gobject, g_object_unref) && LOAD(library, gobject, g_type_check_instance_is_a)
        && LOAD(glib, gobject, g_free);
}

static int load_gmime(void) {
    static int state = 0;
    if (state) return state == 1;
    void *library = dlopen("libgmime-3.0.so.0", RTLD_NOW | RTLD_LOCAL);
    int ok = library && load_gobject() && LOAD(library, gmime, g_mime_init) && LOAD(library, gmime, g_mime_stream_mem_new_with_buffer)
        && LOAD(library, gmime, g_mime_stream_mem_new) && LOAD(library, gmime, g_mime_stream_mem_get_byte_array)
        && LOAD(library, gmime, g_mime_parser_new_with_stream) && LOAD(library, gmime, g_mime_parser_construct_message)
        && LOAD(library, gmime, g_mime_message_get_mime_part) && LOAD(library, gmime, g_mime_object_get_header)
        && LOAD(library, gmime, g_mime_utils_header_decode_text) && LOAD(library, gmime, g_mime_object_get_content_type)
        && LOAD(library, gmime, g_mime_content_type_get_media_type) && LOAD(library, gmime, g_mime_content_type_get_media_subtype)
        && LOAD(library, gmime, g_mime_content_type_get_parameter) && LOAD(library, gmime, g_mime_multipart_get_count)
        && LOAD(library, gmime, g_mime_multipart_get_part) && LOAD(library, gmime, g_mime_part_get_filename)
        && LOAD(library, gmime, g_mime_part_get_content) && LOAD(library, gmime, g_mime_data_wrapper_write_to_stream)
        && LOAD(library, gmime, g_mime_text_part_get_text) && LOAD(library, gmime, g_mime_object_get_disposition)
        && LOAD(library, gmime, g_mime_message_part_get_message) && LOAD(library, gmime, g_mime_object_write_to_stream)
        && LOAD(library, gmime, g_mime_multipart_get_type) && LOAD(library, gmime, g_mime_part_get_type)
        && LOAD(library, gmime, g_mime_text_part_get_type) && LOAD(library, gmime, g_mime_message_part_get_type);
    if (ok) gmime.g_mime_init();
    state = ok ? 1 : 2;
    return ok;
}

static int load_gsf(void) {
    static int state = 0;
    if (state) return state == 1;
    void *library = dlopen("libgsf-1.so.114", RTLD_NOW | RTLD_LOCAL);
    int ok = library && load_gobject() && LOAD(library, gsf, gsf_init) && LOAD(library, gsf, gsf_input_memory_new)
        && LOAD(library, gsf, gsf_infile_msole_new) && LOAD(library, gsf, gsf_infile_num_children)
        && LOAD(library, gsf, gsf_infile_child_by_index) && LOAD(library, gsf, gsf_infile_name_by_index)
        && LOAD(library, gsf, gsf_input_size) && LOAD(library, gsf, gsf_input_read);
    if (ok) gsf.gsf_init();
    state = ok ? 1 : 2;
    return ok;
}

// Mail

typedef struct {
    void *object;
    int parent;
    mail_kind kind;
} part;

struct mail_message {
    void *message;
    part *parts;
    size_t count;
};

static int is_a(void *object, GType type) { return gobject.g_type_check_instance_is_a(object, type); }

static int walk(mail_message *m, void *object, int parent, int depth) {
    if (!object) return 0;
    if (depth > DEEPEST || m->count >= MOST_PARTS) return 3;
    part *grown = realloc(m->parts, (m->count + 1) * sizeof(part));
    if (!grown) return 3;
    m->parts = grown;
    mail_kind kind = is_a(object, gmime.g_mime_multipart_get_type()) ? MAIL_MULTIPART
        : is_a(object, gmime.g_mime_message_part_get_type())         ? MAIL_MESSAGE
        : is_a(object, gmime.g_mime_text_part_get_type())            ? MAIL_TEXT
                                                                      : MAIL_OTHER;
    int self = (int)m->count++;
    m->parts[self] = (part){object, parent, kind};
    if (kind != MAIL_MULTIPART) return 0;
    int count = gmime.g_mime_multipart_get_count(object);
    for (int i = 0; i < count; i++) {
        int problem = walk(m, gmime.g_mime_multipart_get_part(object, i), self, depth + 1);
        if (problem) return problem;
    }
    return 0;
}

int mail_parse(const unsigned char *bytes, size_t length, mail_message **message) {
    if (!load_gmime()) return 1;
    void *stream = gmime.g_mime_stream_mem_new_with_buffer((const char *)bytes, length);
    void *parser = gmime.g_mime_parser_new_with_stream(stream);
    void *parsed = gmime.g_mime_parser_construct_message(parser, NULL);
    gobject.g_object_unref(parser);
    gobject.g_object_unref(stream);
    if (!parsed) return 2;
    mail_message *m = calloc(1, sizeof *m);
    if (!m) {
        gobject.g_object_unref(parsed);
        return 2;
    }
    m->message = parsed;
    int problem = walk(m, gmime.g_mime_message_get_mime_part(parsed), -1, 0);
    if (problem) {
        mail_free(m);
        return problem;
    }
    *message = m;
    return 0;
}

void mail_free(mail_message *m) {
    if (!m) return;
    gobject.g_object_unref(m->message);
    free(m->parts);
    free(m);
}

char *mail_header(const mail_message *m, const char *name) {
    const char *raw = gmime.g_mime_object_get_header(m->message, name);
    if (!raw) return NULL;
    char *decoded = gmime.g_mime_utils_header_decode_text(NULL, raw);
    if (!decoded) return NULL;
    char *copy = strdup(decoded);
    gobject.g_free(decoded);
    return copy;
}

size_t mail_count(const mail_message *m) { return m->count; }
int mail_parent(const mail_message *m, size_t i) { return m->parts[i].parent; }
mail_kind mail_part_kind(const mail_message *m, size_t i) { return m->parts[i].kind; }

static void *content_type(const mail_message *m, size_t i) { return gmime.g_mime_object_get_content_type(m->parts[i].object); }

const char *mail_type(const mail_message *m, size_t i) {
    void *type = content_type(m, i);
    const char *found = type ? gmime.g_mime_content_type_get_media_type(type) : NULL;
    return found ? found : "";
}

const char *mail_subtype(const mail_message *m, size_t i) {
    void *type = content_type(m, i);
    const char *found = type ? gmime.g_mime_content_type_get_media_subtype(type) : NULL;
    return found ? found : "";
}

const char *mail_boundary(const mail_message *m, size_t i) {
    void *type = content_type(m, i);
    return type ? gmime.g_mime_content_type_get_parameter(type, "boundary") : NULL;
}

const char *mail_file_name(const mail_message *m, size_t i) {
    if (!is_a(m->parts[i].object, gmime.g_mime_part_get_type())) return NULL;
    return gmime.g_mime_part_get_filename(m->parts[i].object);
}

int mail_is_attachment(const mail_message *m, size_t i) {
    const char *disposition = gmime.g_mime_object_get_disposition(m->parts[i].object);
    return disposition && strcasecmp(disposition, "attachment") == 0;
}

static unsigned char *taken(void *stream, size_t *length) {
    GByteArray *array = gmime.g_mime_stream_mem_get_byte_array(stream);
    unsigned char *copy = array ? malloc(array->len + 1) : NULL;
    if (copy) {
        if (array->len) memcpy(copy, array->data, array->len);
        *length = array->len;
    }
    gobject.g_object_unref(stream);
    return copy;
}

unsigned char *mail_content(const mail_message *m, size_t i, size_t *length) {
    void *object = m->parts[i].object;
    *length = 0;
    if (m->parts[i].kind == MAIL_TEXT) {
        char *text = gmime.g_mime_text_part_get_text(object);
        if (!text) return NULL;
        *length = strlen(text);
        unsigned char *copy = malloc(*length + 1);
        if (copy) memcpy(copy, text, *length);
        gobject.g_free(text);
        return copy;
    }
    if (m->parts[i].kind == MAIL_MESSAGE) {
        void *message = gmime.g_mime_message_part_get_message(object);
        if (!message) return NULL;
        void *stream = gmime.g_mime_stream_mem_new();
        if (gmime.g_mime_object_write_to_stream(message, NULL, stream) < 0) {
            gobject.g_object_unref(stream);
            return NULL;
        }
        return taken(stream, length);
    }
    if (!is_a(object, gmime.g_mime_part_get_type())) return NULL;
    void *content = gmime.g_mime_part_get_content(object);
    if (!content) return NULL;
    void *stream = gmime.g_mime_stream_mem_new();
    if (gmime.g_mime_data_wrapper_write_to_stream(content, stream) < 0) {
        gobject.g_object_unref(stream);
        return NULL;
    }
    return taken(stream, length);
}

int mail_finds(const unsigned char *bytes, size_t length, const unsigned char *wanted, size_t count) {
    return memmem(bytes, length, wanted, count) != NULL;
}

// Compound files

typedef struct {
    void *input;
    char *name;
} stream;

struct compound_file {
    void *root;
    stream *streams;
    size_t count;
};

static int descend(compound_file *f, void *storage, const char *prefix, int depth) {
    if (depth > DEEPEST) return 3;
    int count = gsf.gsf_infile_num_children(storage);
    for (int i = 0; i < count; i++) {
        const char *name = gsf.gsf_infile_name_by_index(storage, i);
        void *child = gsf.gsf_infile_child_by_index(storage, i);
        if (!child) return 2;
        if (!name) name = "";
        size_t size = strlen(prefix) + strlen(name) + 2;
        char *path = malloc(size);
        if (!path) {
            gobject.g_object_unref(child);
            return 3;
        }
        strcpy(path, prefix);
        if (*prefix) strcat(path, "/");
        strcat(path, name);
        if (gsf.gsf_infile_num_children(child) >= 0) {
            int problem = descend(f, child, path, depth + 1);
            free(path);
            gobject.g_object_unref(child);
            if (problem) return problem;
            continue;
        }
        stream *grown = f->count < MOST_PARTS ? realloc(f->streams, (f->count + 1) * sizeof(stream)) : NULL;
        if (!grown) {
            free(path);
            gobject.g_object_unref(child);
            return 3;
        }
        f->streams = grown;
        f->streams[f->count++] = (stream){child, path};
    }
    return 0;
}

int compound_open(const unsigned char *bytes, size_t length, compound_file **file) {
    if (!load_gsf()) return 1;
    void *input = gsf.gsf_input_memory_new(bytes, (long)length, 0);
    if (!input) return 2;
    void *root = gsf.gsf_infile_msole_new(input, NULL);
    gobject.g_object_unref(input);
    if (!root) return 2;
    compound_file *f = calloc(1, sizeof *f);
    if (!f) {
        gobject.g_object_unref(root);
        return 2;
    }
    f->root = root;
    int problem = descend(f, root, "", 0);
    if (problem) {
        compound_free(f);
        return problem;
    }
    *file = f;
    return 0;
}

void compound_free(compound_file *f) {
    if (!f) return;
    for (size_t i = 0; i < f->count; i++) {
        gobject.g_object_unref(f->streams[i].input);
        free(f->streams[i].name);
    }
    free(f->streams);
    gobject.g_object_unref(f->root);
    free(f);
}

size_t compound_count(const compound_file *f) { return f->count; }
const char *compound_name(const compound_file *f, size_t i) { return f->streams[i].name; }

unsigned char *compound_content(const compound_file *f, size_t i, size_t limit, size_t *length) {
    long size = gsf.gsf_input_size(f->streams[i].input);
    *length = 0;
    if (size < 0 || (size_t)size > limit) return NULL;
    unsigned char *copy = malloc((size_t)size + 1);
    if (!copy) return NULL;
    if (size > 0 && !gsf.gsf_input_read(f->streams[i].input, (size_t)size, copy)) {
        free(copy);
        return NULL;
    }
    *length = (size_t)size;
    return copy;
}
