/* base/sha256.c: SHA-256 of data as it streams by. libcrypto stands behind this file and nowhere else. */
#include "base/map.h"
#include <openssl/evp.h>

struct fig__sha256 {
    fig_context *ctx;
    EVP_MD_CTX *md;
};

fig__sha256 *fig__sha256_new(fig_context *ctx) {
    fig__sha256 *h = FIG_NEW(ctx, fig__sha256);
    if (!h) return NULL;
    h->ctx = ctx;
    h->md = EVP_MD_CTX_new();
    if (h->md && EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) == 1) return h;
    FIG_FAIL(ctx, FIG_ERR_NOMEM, "no memory for a SHA-256");
    fig__sha256_free(h);
    return NULL;
}

void fig__sha256_add(fig__sha256 *h, const void *data, size_t len) { EVP_DigestUpdate(h->md, data, len); }

void fig__sha256_hex(fig__sha256 *h, char out[65]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    EVP_DigestFinal_ex(h->md, hash, NULL);
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[64] = 0;
}

void fig__sha256_free(fig__sha256 *h) {
    if (!h) return;
    EVP_MD_CTX_free(h->md);
    fig__free(h->ctx, h);
}
