#ifndef SALLYPORT_CVECTORS_H
#define SALLYPORT_CVECTORS_H

#include <stddef.h>
#include <stdint.h>

/// The dot products of one vector with `count` rows that lie one after the other, a signed byte a dimension, into `out`.
/// Uses the widest instructions that this processor has; the result is the same with all of them.
/// No value of `query` or `rows` may be -128. `dimensions` is at most 65,536.
void sallyport_dot_rows(const int8_t *query, const int8_t *rows, size_t dimensions, size_t count, int32_t *out);

/// What `sallyport_dot_rows` runs on: "avx512-vnni", "avx2" or "portable".
const char *sallyport_dot_kind(void);

#endif
