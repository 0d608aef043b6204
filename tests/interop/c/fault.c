/* `--fault NAME` (README.md): our host behind a certificate of its own with one thing wrong, behind two, or with another
 * application protocol; with `none` it is behind one that was made the same way and is right. What makes the certificate and
 * the TLS of a host is wrapped by the linker (tests/build.mk); the fault comes by the environment, since a wrapped function
 * gets no more arguments. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "interop/c/p2phost.h"
#include "p2p/cert.h"
#include "p2p/tls.h"
#include "unit/p2p/cert_forge.h"

#define VARIABLE "ZS_P2PHOST_FAULT"

static const struct {
	const char *name;
	struct forge forge;
} faults[] = {
	{ "none", { 0 } },
	{ "expired", { .not_after = "20200101000000Z" } },
	{ "not-yet-valid", { .not_before = "40000101000000Z" } },
	{ "unsigned", { .bad_signature = true } },
	{ "no-extension", { .no_extension = true } },
	{ "foreign-key", { .other_identity = true } },
	{ "wrong-alpn", { 0 } },
	{ "two-certificates", { 0 } },
};

bool fault_set(const char *name)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(faults); i++)
		if (!strcmp(faults[i].name, name))
			return setenv(VARIABLE, name, 1) == 0;
	return false;
}

int __real_zs_cert_new(struct zs_cert *out, const struct zs_identity *identity, int64_t now_s);
int __wrap_zs_cert_new(struct zs_cert *out, const struct zs_identity *identity, int64_t now_s);

int __wrap_zs_cert_new(struct zs_cert *out, const struct zs_identity *identity, int64_t now_s)
{
	const char *name = getenv(VARIABLE);
	int rc = __real_zs_cert_new(out, identity, now_s);

	for (size_t i = 0; rc == 0 && name && i < ZS_ARRAY_LEN(faults); i++)
		if (!strcmp(faults[i].name, name))
			forge(out, identity, &faults[i].forge);
	return rc;
}

static bool has_fault(const char *name)
{
	const char *fault = getenv(VARIABLE);

	return fault && !strcmp(fault, name);
}

int __real_zs_tls_new(struct zs_tls **out, const struct zs_cert *certs, size_t count, uint32_t cached);
int __wrap_zs_tls_new(struct zs_tls **out, const struct zs_cert *certs, size_t count, uint32_t cached);

int __wrap_zs_tls_new(struct zs_tls **out, const struct zs_cert *certs, size_t count, uint32_t cached)
{
	const struct zs_cert twice[] = { certs[0], certs[0] };

	return has_fault("two-certificates") ? __real_zs_tls_new(out, twice, 2, cached)
					     : __real_zs_tls_new(out, certs, count, cached);
}

/* --- another application protocol: offered, chosen whatever is offered, and found right ------------------ */

int __real_SSL_CTX_set_alpn_protos(SSL_CTX *ctx, const uint8_t *protos, size_t len);
int __wrap_SSL_CTX_set_alpn_protos(SSL_CTX *ctx, const uint8_t *protos, size_t len);

int __wrap_SSL_CTX_set_alpn_protos(SSL_CTX *ctx, const uint8_t *protos, size_t len)
{
	return has_fault("wrong-alpn") ? __real_SSL_CTX_set_alpn_protos(ctx, (const uint8_t *)"\x02h3", 3)
				       : __real_SSL_CTX_set_alpn_protos(ctx, protos, len);
}

typedef int select_fn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned in_len,
		      void *arg);

static int choose_h3(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned in_len,
		     void *arg)
{
	*out = (const uint8_t *)"h3";
	*out_len = 2;
	return SSL_TLSEXT_ERR_OK;
}

void __real_SSL_CTX_set_alpn_select_cb(SSL_CTX *ctx, select_fn *fn, void *arg);
void __wrap_SSL_CTX_set_alpn_select_cb(SSL_CTX *ctx, select_fn *fn, void *arg);

void __wrap_SSL_CTX_set_alpn_select_cb(SSL_CTX *ctx, select_fn *fn, void *arg)
{
	__real_SSL_CTX_set_alpn_select_cb(ctx, has_fault("wrong-alpn") ? choose_h3 : fn, arg);
}

void __real_SSL_get0_alpn_selected(const SSL *ssl, const uint8_t **name, unsigned *len);
void __wrap_SSL_get0_alpn_selected(const SSL *ssl, const uint8_t **name, unsigned *len);

void __wrap_SSL_get0_alpn_selected(const SSL *ssl, const uint8_t **name, unsigned *len)
{
	__real_SSL_get0_alpn_selected(ssl, name, len);
	if (has_fault("wrong-alpn") && *len) {
		*name = (const uint8_t *)"libp2p";
		*len = 6;
	}
}
