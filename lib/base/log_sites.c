#include "base/log_sites.h"

struct zs_log_site *zs_log_site(struct zs_log *log, enum zs_log_code code, const char *where)
{
	uint32_t first = (uint32_t)((uintptr_t)where * 0x9e3779b97f4a7c15ull >> 32) % ZS_LOG_SITES;

	for (uint32_t i = 0; i < ZS_LOG_SITES; i++) {
		struct zs_log_site *site = &log->site[(first + i) % ZS_LOG_SITES];

		if (!site->where)
			*site = (struct zs_log_site){ .where = where, .code = code };
		if (site->where == where)
			return site;
	}
	return &log->site[first];
}

bool zs_log_admit(struct zs_log_site *site, uint64_t now_ns)
{
	if (site->since_ns == 0 || now_ns - site->since_ns >= ZS_LOG_INTERVAL_NS) {
		site->since_ns = now_ns;
		site->spoken = 0;
	}
	if (site->spoken >= ZS_LOG_BURST) {
		site->held++;
		return false;
	}
	site->spoken++;
	return true;
}

bool zs_log_owes(const struct zs_log_site *site, uint64_t now_ns)
{
	return site->held && now_ns - site->since_ns >= ZS_LOG_INTERVAL_NS;
}
