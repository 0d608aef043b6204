/* One publication, as it was asked for: a port and where it leads. */
#ifndef ZS_CONTROLPLANE_PUBLICATION_H
#define ZS_CONTROLPLANE_PUBLICATION_H

#include "conf/conf.h"

/* A published port as people see it. The configuration's cannot be withdrawn by zsctl. */
struct zs_publication {
	uint16_t port;
	struct zs_endpoint target;
	uint32_t new_flows_s, new_flows_burst, max_flows;
	bool from_config;
	struct {
		uint32_t id; /* 0: the port leads to `target` */
		uint16_t generation;
		uint8_t service, protection;
	} attached;
};

/* Whether this configuration allows it; else err says why not. */
int zs_publication_check(const struct zs_conf *conf, const struct zs_publication *pub, struct zs_error *err);
bool zs_publication_same_target(const struct zs_publication *a, const struct zs_publication *b);
bool zs_publication_same(const struct zs_publication *a, const struct zs_publication *b);
/* Where it leads, for people. */
const char *zs_publication_format(const struct zs_publication *pub, char text[ZS_ENDPOINT_TEXT]);
struct zs_publication zs_publication_from_conf(const struct zs_conf_publish *cp);

#endif
