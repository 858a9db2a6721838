/* PKCS#11 as p11-kit spells it. The header of p11-kit 0.24 lacks the parameters of AES-GCM: they follow, as version 2.40 with errata has them. */
#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>
typedef struct {
    unsigned char *iv;
    unsigned long iv_len;
    unsigned long iv_bits;
    unsigned char *aad;
    unsigned long aad_len;
    unsigned long tag_bits;
} sallyport_gcm_params;
