/* `--fault NAME` (README.md): our host behind a certificate of its own with one thing wrong. zs_cert_new() is wrapped by
 * the linker (tests/build.mk); the fault comes by the environment, since a wrapped function gets no more arguments. */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "interop/c/p2phost.h"
#include "p2p/cert.h"
#include "unit/p2p/cert_forge.h"

#define VARIABLE "ZS_P2PHOST_FAULT"

static const struct {
	const char *name;
	struct forge forge;
} faults[] = {
	{ "expired", { .not_after = "20200101000000Z" } },
	{ "not-yet-valid", { .not_before = "40000101000000Z" } },
	{ "unsigned", { .bad_signature = true } },
	{ "no-extension", { .no_extension = true } },
	{ "foreign-key", { .other_identity = true } },
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
