#include "CVectors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static int32_t dot(const int8_t *a, const int8_t *b, size_t from, size_t to) {
    int32_t sum = 0;
    for (size_t i = from; i < to; i++) sum += (int32_t)a[i] * (int32_t)b[i];
    return sum;
}

static void portable(const int8_t *query, const int8_t *rows, size_t dimensions, size_t count, int32_t *out) {
    for (size_t row = 0; row < count; row++) out[row] = dot(query, rows + row * dimensions, 0, dimensions);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void avx2(
    const int8_t *query, const int8_t *rows, size_t dimensions, size_t count, int32_t *out) {
    for (size_t row = 0; row < count; row++) {
        const int8_t *values = rows + row * dimensions;
        __m256i sum = _mm256_setzero_si256();
        size_t i = 0;
        for (; i + 16 <= dimensions; i += 16) {
            __m256i a = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + i)));
            __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(values + i)));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
        }
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
        out[row] = _mm_cvtsi128_si32(half) + dot(query, values, i, dimensions);
    }
}

// The instruction multiplies unsigned with signed bytes: the rows are moved up by 128, and 128 times the query's sum taken off again.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void vnni(
    const int8_t *query, const int8_t *rows, size_t dimensions, size_t count, int32_t *out) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    size_t whole = dimensions / 64 * 64;
    int32_t surplus = 0;
    for (size_t i = 0; i < whole; i++) surplus += query[i];
    surplus *= 128;
    for (size_t row = 0; row < count; row++) {
        const int8_t *values = rows + row * dimensions;
        __m512i sum = _mm512_setzero_si512();
        for (size_t i = 0; i < whole; i += 64) {
            __m512i b = _mm512_xor_si512(_mm512_loadu_si512(values + i), flip);
            sum = _mm512_dpbusd_epi32(sum, b, _mm512_loadu_si512(query + i));
        }
        out[row] = _mm512_reduce_add_epi32(sum) - surplus + dot(query, values, whole, dimensions);
    }
}

static int has_vnni(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}
#endif

const char *sallyport_dot_kind(void) {
#if defined(__x86_64__)
    if (has_vnni()) return "avx512-vnni";
    if (__builtin_cpu_supports("avx2")) return "avx2";
#endif
    return "portable";
}

void sallyport_dot_rows(const int8_t *query, const int8_t *rows, size_t dimensions, size_t count, int32_t *out) {
#if defined(__x86_64__)
    if (has_vnni()) return vnni(query, rows, dimensions, count, out);
    if (__builtin_cpu_supports("avx2")) return avx2(query, rows, dimensions, count, out);
#endif
    portable(query, rows, dimensions, count, out);
}
