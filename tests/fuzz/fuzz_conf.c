/* The configuration reader on hostile text. What it accepts must satisfy its own promises; what it
 * refuses must say so in one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct zs_conf *c)
{
	ZS_CHECK(c->instance[0] && memchr(c->instance, '\0', sizeof(c->instance)), "instance");
	ZS_CHECK(memchr(c->admin.socket, '\0', sizeof(c->admin.socket)), "socket");
	ZS_CHECK(c->dataplane.workers >= 1 && c->dataplane.workers <= ZS_WORKERS_MAX, "workers");
	ZS_CHECK(c->dataplane.ports <= ZS_IFACES_MAX, "ports");
	ZS_CHECK(c->publishes <= ZS_CONF_PUBLISH, "publishes");
	ZS_CHECK(c->flows.port_first <= c->flows.port_last, "flow ports");
	for (uint32_t i = 0; i < c->dataplane.ports; i++)
		ZS_CHECK(c->dataplane.port[i].vlans >= 1 && c->dataplane.port[i].vlans <= ZS_CONF_VLANS,
			 "vlans");
	for (uint32_t i = 0; i < c->publishes; i++) {
		const struct zs_conf_publish *p = &c->publish[i];
		ZS_CHECK(p->port && (p->port < c->flows.port_first || p->port > c->flows.port_last), "port");
		ZS_CHECK(zs_deny_target(&c->targets, &p->target.addr) == ZS_SPECIAL_NONE, "target");
	}
	ZS_CHECK(zs_conf_diff(c, c, NULL, NULL) == 0, "differs from itself");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_error err = { 0 };
	struct zs_conf *c = malloc(2 * sizeof(*c));
	ZS_CHECK(c, "no memory");
	if (zs_conf_parse(c, "fuzz.yaml", (const char *)data, size, &err) == 0) {
		check_accepted(c);
		zs_conf_defaults(c + 1, "fuzz");
		zs_conf_diff(c + 1, c, NULL, NULL);
		zs_conf_diff(c, c + 1, NULL, NULL);
	} else {
		ZS_CHECK(err.exit == ZS_EXIT_CONFIG && err.text[0] && !strpbrk(err.text, "\n\r\x1b"),
			 "error");
	}
	free(c);
	return 0;
}
