/* A control plane made of text: commands on stdin become entries of the tables segment, so a
 * test can drive a dataplane alone.   zs-tables INSTANCE < commands
 *
 *   local INDEX IFACE VLAN ADDR LEN          own address; LEN in bits of 128
 *   route IFACE VLAN ADDR LEN [GATEWAY]      without a gateway: on link
 *   hop IFACE VLAN ADDR DMAC SMAC MTU VALID  next hop
 *   publish PORT ADDR:PORT [RATE BURST MAX]  |  unpublish PORT  |  drain PORT
 *   allow ADDR LEN | range FIRST LAST | idle CONFIRMED_MS OTHER_MS | prefix RATE BURST [MAX]
 *   sleep BUSY_US MAX_US | stop | resume | wait MS
 *
 * Answers `ok` or `bad LINE`, ends at end of input; the segment stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "shm/tables.h"

struct ctx {
	struct zs_tables t;
	struct zs_settings s;
	uint32_t generation;
};

static bool mac(uint8_t out[6], const char *text)
{
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", out, out + 1, out + 2, out + 3, out + 4,
		      out + 5) == 6;
}

static int do_local(struct ctx *c, char **a)
{
	struct zs_local l = { .used = 1, .iface = (uint8_t)atoi(a[2]), .vlan = (uint16_t)atoi(a[3]) };

	if (!a[5] || zs_addr_parse(&l.addr, a[4]))
		return -1;
	l.prefix_len = (uint8_t)atoi(a[5]);
	return zs_tables_set_local(&c->t, (uint32_t)atoi(a[1]), &l);
}

static int do_route(struct ctx *c, char **a)
{
	struct zs_route r = { .used = 1, .iface = (uint8_t)atoi(a[1]), .vlan = (uint16_t)atoi(a[2]) };

	if (!a[4] || zs_addr_parse(&r.dest, a[3]))
		return -1;
	r.len = (uint8_t)atoi(a[4]);
	r.onlink = !a[5];
	if (a[5] && zs_addr_parse(&r.gateway, a[5]))
		return -1;
	return zs_tables_put_route(&c->t, &r);
}

static int do_hop(struct ctx *c, char **a)
{
	struct zs_nexthop h = { .used = 1, .iface = (uint8_t)atoi(a[1]), .vlan = (uint16_t)atoi(a[2]) };

	if (!a[7] || zs_addr_parse(&h.addr, a[3]) || !mac(h.dmac, a[4]) || !mac(h.smac, a[5]))
		return -1;
	h.mtu = (uint16_t)atoi(a[6]);
	h.valid = (uint8_t)atoi(a[7]);
	return zs_tables_put_nexthop(&c->t, &h);
}

static int do_publish(struct ctx *c, char **a)
{
	struct zs_published p = { .used = 1, .generation = ++c->generation };
	struct zs_endpoint target;

	if (!a[2] || zs_endpoint_parse(&target, a[2]))
		return -1;
	p.target = target.addr;
	p.target_port = target.port;
	if (a[3] && a[4] && a[5]) {
		p.new_flows_s = (uint32_t)atoi(a[3]);
		p.new_flows_burst = (uint32_t)atoi(a[4]);
		p.max_flows = (uint32_t)atoi(a[5]);
	}
	return zs_tables_set_published(&c->t, (uint16_t)atoi(a[1]), &p);
}

static int do_drain(struct ctx *c, char **a)
{
	struct zs_published p;

	if (!zs_tables_published(&c->t, (uint16_t)atoi(a[1]), &p))
		return -1;
	p.drain = 1;
	return zs_tables_set_published(&c->t, (uint16_t)atoi(a[1]), &p);
}

static int do_allow(struct ctx *c, char **a)
{
	struct zs_prefix p;

	if (!a[2] || zs_addr_parse(&p.addr, a[1]))
		return -1;
	p.len = (uint8_t)atoi(a[2]);
	return zs_deny_allow(&c->s.deny, &p);
}

static int set(struct ctx *c, char **a)
{
	const char *w = a[0];

	if (!strcmp(w, "allow")) {
		if (do_allow(c, a))
			return -1;
	} else if (!strcmp(w, "range") && a[2]) {
		c->s.flow_port_first = (uint16_t)atoi(a[1]);
		c->s.flow_port_last = (uint16_t)atoi(a[2]);
	} else if (!strcmp(w, "idle") && a[2]) {
		c->s.flow_idle_answered_ms = (uint32_t)atoi(a[1]);
		c->s.flow_idle_unanswered_ms = (uint32_t)atoi(a[2]);
	} else if (!strcmp(w, "prefix") && a[2]) {
		c->s.new_flows_per_prefix_s = (uint32_t)atoi(a[1]);
		c->s.new_flows_prefix_burst = (uint32_t)atoi(a[2]);
		if (a[3])
			c->s.max_flows_per_prefix = (uint32_t)atoi(a[3]);
	} else if (!strcmp(w, "sleep") && a[2]) {
		c->s.busy_poll_us = (uint32_t)atoi(a[1]);
		c->s.sleep_max_us = (uint32_t)atoi(a[2]);
	} else {
		return -1;
	}
	c->s.generation++;
	return zs_tables_set_settings(&c->t, &c->s);
}

static int run(struct ctx *c, char **a)
{
	const char *w = a[0];

	if (!strcmp(w, "local"))
		return a[1] && a[2] && a[3] && a[4] ? do_local(c, a) : -1;
	if (!strcmp(w, "route"))
		return a[1] && a[2] && a[3] ? do_route(c, a) : -1;
	if (!strcmp(w, "hop"))
		return a[1] && a[2] && a[3] ? do_hop(c, a) : -1;
	if (!strcmp(w, "publish"))
		return a[1] ? do_publish(c, a) : -1;
	if (!strcmp(w, "unpublish"))
		return a[1] ? zs_tables_set_published(&c->t, (uint16_t)atoi(a[1]), NULL) : -1;
	if (!strcmp(w, "drain"))
		return a[1] ? do_drain(c, a) : -1;
	if (!strcmp(w, "stop") || !strcmp(w, "resume")) {
		zs_tables_set_stop(&c->t, w[0] == 's');
		return 0;
	}
	if (!strcmp(w, "wait") && a[1])
		return usleep((useconds_t)atoi(a[1]) * 1000);
	return set(c, a);
}

int main(int argc, char **argv)
{
	static struct ctx c;
	struct zs_tables_shape shape = { .routes = CONFIG_ROUTES, .nexthops = CONFIG_NEXTHOPS };
	struct zs_error err = { 0 };
	char dir[96], line[512];
	bool fresh;

	if (argc != 2 || zs_segment_dir(dir, argv[1], true, &err) ||
	    zs_tables_open_writer(&c.t, dir, &shape, false, &fresh, &err)) {
		fprintf(stderr, "zs-tables: %s\n", argc == 2 ? err.text : "usage: zs-tables INSTANCE");
		return 1;
	}
	if (!fresh)
		zs_tables_settings(&c.t, &c.s);
	for (uint32_t p = 0; !fresh && p < ZS_UDP_PORTS; p++)
		if (c.t.published[p].generation > c.generation)
			c.generation = c.t.published[p].generation;
	while (fgets(line, sizeof(line), stdin)) {
		char *a[10] = { 0 }, whole[512], *save = NULL, *w = line;

		strcpy(whole, line);
		for (int n = 0; n < 9 && (a[n] = strtok_r(w, " \n", &save)); n++)
			w = NULL;
		if (!a[0] || a[0][0] == '#')
			continue;
		printf(run(&c, a) ? "bad %s" : "ok %s", whole);
		fflush(stdout);
	}
	zs_tables_close(&c.t);
	return 0;
}
