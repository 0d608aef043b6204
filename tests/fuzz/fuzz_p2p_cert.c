/* Any bytes as a peer's certificate: no read out of bounds, a verdict with a name, and whatever verifies
 * names a peer and is valid at that time. Inputs keep their signatures whole only in the corpus. */
#include <stdlib.h>

#include "base/check.h"
#include "p2p/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1); /* exact, so that ASan sees one byte too many */
	struct zs_cert_proof proof;

	memcpy(copy, data, size);
	enum zs_cert_verdict verdict = zs_cert_verify(&proof, copy, size, NOW);
	ZS_CHECK(verdict < ZS_CERT_VERDICTS && zs_cert_text(verdict)[0]);
	ZS_CHECK(verdict != ZS_CERT_OK ||
		 (proof.peer.len && proof.not_before <= NOW && NOW <= proof.not_after));
	free(copy);
	return 0;
}
