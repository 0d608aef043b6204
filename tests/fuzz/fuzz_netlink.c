/* Any bytes as what the kernel's socket gave: messages are taken off whole, and what they say is in range. */
#include "fuzz/exact.h"
#include "nlparse.h"

static void judge(const struct zs_nl_message *m)
{
	ZS_CHECK(m->error <= 0 || !m->known, "an error that is none");
	if (!m->known)
		return;
	switch (m->type) {
	case 16: /* RTM_NEWLINK */
	case 17:
		ZS_CHECK(memchr(m->link.name, 0, sizeof(m->link.name)), "a name without an end");
		break;
	case 24: /* RTM_NEWROUTE */
	case 25:
		ZS_CHECK(m->route.len <= 128 && m->route.hops <= ZS_NL_HOPS, "a route out of range");
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_exact(data, size);
	struct zs_nl_message m;
	size_t at = 0, n;

	while (at < size && (n = zs_nl_parse(exact + at, size - at, &m))) {
		ZS_CHECK(n <= size - at, "more than there is");
		judge(&m);
		at += n;
	}
	free(exact);
	return 0;
}
