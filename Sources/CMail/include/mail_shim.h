// Mail through GMime (RFC 5322, MIME) and libgsf (Outlook's compound files), both opened at run time: nothing to link, and a machine
// without them says so. All text that comes out is what the libraries made of hostile bytes: nothing here trusts it.
#ifndef SALLYPORT_MAIL_SHIM_H
#define SALLYPORT_MAIL_SHIM_H

#include <stddef.h>

typedef enum { MAIL_OTHER = 0, MAIL_TEXT = 1, MAIL_MULTIPART = 2, MAIL_MESSAGE = 3 } mail_kind;

typedef struct mail_message mail_message;

/// 0: parsed. 1: GMime is not installed. 2: no message. 3: nested too deeply, or too many parts.
int mail_parse(const unsigned char *bytes, size_t length, mail_message **message);
void mail_free(mail_message *message);
/// Decoded (RFC 2047) and valid UTF-8, or NULL; freed by the caller.
char *mail_header(const mail_message *message, const char *name);
size_t mail_count(const mail_message *message);
/// Of the part that it stands in; -1: the root.
int mail_parent(const mail_message *message, size_t part);
mail_kind mail_part_kind(const mail_message *message, size_t part);
/// Borrowed; never NULL.
const char *mail_type(const mail_message *message, size_t part);
const char *mail_subtype(const mail_message *message, size_t part);
/// Borrowed; NULL when there is none.
const char *mail_boundary(const mail_message *message, size_t part);
const char *mail_file_name(const mail_message *message, size_t part);
int mail_is_attachment(const mail_message *message, size_t part);
/// The decoded content; of a text in UTF-8, of a message its bytes. NULL when it cannot be had. Freed by the caller.
unsigned char *mail_content(const mail_message *message, size_t part, size_t *length);

/// Whether some bytes stand anywhere in others.
int mail_finds(const unsigned char *bytes, size_t length, const unsigned char *wanted, size_t count);

typedef struct compound_file compound_file;

/// 0: opened. 1: libgsf is not installed. 2: no compound file. 3: too deep or too many streams.
int compound_open(const unsigned char *bytes, size_t length, compound_file **file);
void compound_free(compound_file *file);
size_t compound_count(const compound_file *file);
/// The path of a stream, `/` between storages. Borrowed.
const char *compound_name(const compound_file *file, size_t stream);
/// NULL when it cannot be read. Freed by the caller.
unsigned char *compound_content(const compound_file *file, size_t stream, size_t limit, size_t *length);

#endif
