/* The configuration: what a good file becomes, defaults, differences, the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/conf.h"

static struct zs_conf *parse(const char *text)
{
	struct zs_error err = { 0 };
	struct zs_conf *c = malloc(sizeof(*c));
	assert_non_null(c);
	memset(c, 0xa5, sizeof(*c)); /* nothing may be left as it was */
	if (zs_conf_parse(c, "/etc/zerostate/t1.yaml", text, strlen(text), &err) != 0)
		fail_msg("%s", err.text);
	return c;
}

static struct zs_addr addr(const char *text)
{
	struct zs_addr a;
	assert_int_equal(zs_addr_parse(&a, text), 0);
	return a;
}

#define ADDR_EQUAL(a, text)                                                                                  \
	do {                                                                                                 \
		struct zs_addr want_ = addr(text);                                                           \
		assert_memory_equal(&(a), &want_, sizeof(want_));                                            \
	} while (0)

static void example_loads(void **state)
{
	struct zs_error err = { 0 };
	struct zs_conf *c = malloc(sizeof(*c));
	int ret = zs_conf_load(c, "docs/examples/relay.yaml", &err);
	if (ret)
		fail_msg("%s", err.text);
	assert_string_equal(c->instance, "relay");
	assert_string_equal(c->state_dir, "/var/lib/zerostate/relay");
	assert_int_equal(c->dataplane.workers, 1);
	assert_int_equal(c->dataplane.cpu[0], 1);
	assert_int_equal(c->dataplane.ports, 2);
	const struct zs_conf_port *wan = &c->dataplane.port[0], *lan = &c->dataplane.port[1];
	assert_string_equal(wan->name, "wan");
	assert_int_equal(wan->driver, ZS_DRIVER_AF_XDP);
	assert_string_equal(wan->device, "eth1");
	assert_string_equal(wan->vlan[0].device, "eth1");
	assert_int_equal(wan->vlans, 1);
	assert_int_equal(wan->vlan[0].addresses, 2);
	ADDR_EQUAL(wan->vlan[0].address[0].addr, "192.0.2.1");
	assert_int_equal(wan->vlan[0].address[0].len, 120);
	ADDR_EQUAL(wan->vlan[0].address[1].addr, "2001:db8::1");
	assert_int_equal(wan->vlan[0].address[1].len, 64);
	assert_int_equal(wan->vlan[0].neighbours, 1);
	assert_memory_equal(wan->vlan[0].neighbour[0].mac, "\x02\0\0\0\0\x09", 6);
	assert_int_equal(wan->vlan[0].routes, 1);
	ADDR_EQUAL(wan->vlan[0].route[0].dest.addr, "198.51.100.0");
	assert_int_equal(wan->vlan[0].route[0].dest.len, 120);
	ADDR_EQUAL(wan->vlan[0].route[0].gateway, "192.0.2.9");
	assert_int_equal(lan->vlans, 2);
	assert_int_equal(lan->vlan[1].id, 100);
	assert_string_equal(lan->vlan[1].device, "eth2.100");
	ADDR_EQUAL(lan->vlan[1].neighbour[0].addr, "10.0.100.2");
	assert_int_equal(c->flows.port_first, 20000);
	assert_int_equal(c->flows.port_last, 32767);
	assert_int_equal(c->targets.allowed_count, 1);
	assert_int_equal(c->publishes, 2);
	assert_int_equal(c->publish[0].port, 4443);
	ADDR_EQUAL(c->publish[0].target.addr, "10.0.2.2");
	assert_int_equal(c->publish[0].target.port, 443);
	assert_int_equal(c->publish[1].new_flows_s, 500);
	assert_int_equal(c->publish[1].max_flows, 10000);
	assert_true(c->publish[1].line > c->publish[0].line && c->publish[0].line > 50);
	assert_int_equal(c->metrics.port, 9464);
	free(c);
}

static void defaults_come_from_the_table(void **state)
{
	struct zs_conf *c = parse("instance: t1\n"), *d = malloc(sizeof(*d));
	zs_conf_defaults(d, "t1");
	assert_memory_equal(c, d, sizeof(*c));
	assert_string_equal(c->run_dir, "/run/zerostate/t1");
	assert_string_equal(c->admin.socket, "/run/zerostate/t1/admin.sock");
	assert_string_equal(c->admin.admin_group, "zs-admin");
	assert_string_equal(c->log.level, "info");
	assert_true(c->dataplane.hugepages);
	assert_int_equal(c->flows.capacity, CONFIG_FLOW_CAPACITY);
	assert_int_equal(c->flows.idle_confirmed_s, 120);
	ADDR_EQUAL(c->metrics.addr, "127.0.0.1");
	free(c);
	free(d);
}

static void instance_names_the_folders(void **state)
{
	struct zs_conf *a = parse("log: {level: debug}\n"), *b = parse("instance: pop-7\nrun_dir: /tmp/r\n");
	assert_string_equal(a->instance, "t1"); /* from the file's name */
	assert_string_equal(b->state_dir, "/var/lib/zerostate/pop-7");
	assert_string_equal(b->admin.socket, "/tmp/r/admin.sock");
	free(a);
	free(b);
}

static void empty_sections_and_lists(void **state)
{
	struct zs_conf *c = parse("dataplane:\n  ports:\ntargets:\n  # allow: [10.0.0.0/8]\npublish: []\n");
	assert_int_equal(c->dataplane.ports, 0);
	assert_int_equal(c->publishes, 0);
	free(c);
}

static void cpus_default_to_the_ones_there_are(void **state)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct zs_conf *c = parse("dataplane: {workers: 16}\n");
	for (int i = 0; i < 16; i++)
		assert_int_equal(c->dataplane.cpu[i], (i + 1) % cpus);
	free(c);
	c = parse("dataplane: {workers: 2, cpus: [7, 3]}\n");
	assert_int_equal(c->dataplane.cpu[0], 7);
	assert_int_equal(c->dataplane.cpu[1], 3);
	free(c);
}

static void odd_but_right_values(void **state)
{
	struct zs_conf *c = parse(
	    "dataplane:\n"
	    "  ports:\n"
	    "    - {name: p, driver: pcap, device: 'rx_pcap=/tmp/a.pcap,tx_pcap=/tmp/b'}\n"
	    "    - {name: n, driver: \"null\"}\n"
	    "    - {name: m, driver: ring, routes: [{to: 0.0.0.0/0, via: 10.0.0.1},\n"
	    "         {to: '::/0', via: 'fe80::1'}, {to: 198.51.100.0/24}]}\n"
	    "metrics: {listen: off}\n"
	    "publish: [{port: 65535, target: '[2606:4700::1]:1'}]\n");
	static const struct zs_addr none;
	assert_int_equal(c->metrics.port, 0);
	assert_int_equal(c->dataplane.port[1].driver, ZS_DRIVER_NULL);
	assert_string_equal(c->dataplane.port[0].vlan[0].device, ""); /* no kernel device */
	assert_int_equal(c->dataplane.port[2].vlan[0].routes, 3);
	assert_int_equal(c->dataplane.port[2].vlan[0].route[1].dest.len, 0);
	assert_memory_equal(&c->dataplane.port[2].vlan[0].route[2].gateway, &none, sizeof(none));
	ADDR_EQUAL(c->publish[0].target.addr, "2606:4700::1");
	free(c);
}

struct seen {
	char text[4096];
};

static void note(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, "%s: %s > %s%s\n", key, old, new, restart ? " !" : "");
}

static void differ(const char *old, const char *new, const char *want)
{
	struct zs_conf *a = parse(old), *b = parse(new);
	struct seen s = { "" };
	uint32_t lines = 0, n = zs_conf_diff(a, b, note, &s);
	for (const char *c = want; *c; c++)
		lines += *c == '\n';
	assert_string_equal(s.text, want);
	assert_int_equal(n, lines);
	free(a);
	free(b);
}

#define P(port, target) "{port: " #port ", target: \"" target "\"}"

static void differences(void **state)
{
	differ("instance: a\n", "instance: a\n", "");
	differ("log: {level: info}\n", "log: {level: debug}\n", "log.level: info > debug\n");
	differ("dataplane: {workers: 1, cpus: [1]}\n", "dataplane: {workers: 2, cpus: [1, 2]}\n",
	       "dataplane.workers: 1 > 2 !\ndataplane.cpus: [1] > [1, 2] !\n");
	/* Order of published ports is no difference; target is; so is being there. */
	differ("publish: [" P(1, "9.9.9.9:1") "," P(2, "9.9.9.9:2") "]\n",
	       "publish: [" P(2, "9.9.9.9:2") "," P(1, "9.9.9.9:1") "]\n", "");
	differ("publish: [" P(1, "9.9.9.9:1") "]\n", "publish: [" P(1, "[2600::1]:7") "]\n",
	       "publish[1].target: 9.9.9.9:1 > [2600::1]:7\n");
	differ(
	    "publish: [" P(1, "9.9.9.9:1") "]\n", "publish: [" P(3, "9.9.9.9:1") "]\n",
	    "publish[1]: {port: 1, target: 9.9.9.9:1, new_flows_s: 0, new_flows_burst: 0, max_flows: 0} > \n"
	    "publish[3]:  > {port: 3, target: 9.9.9.9:1, new_flows_s: 0, new_flows_burst: 0, max_flows: "
	    "0}\n");
	differ("targets: {allow: [10.0.0.0/8]}\n", "targets: {allow: [10.0.0.0/8, fd00::/8]}\n",
	       "targets.allow[fd00::/8]:  > fd00::/8\n");
}

#define PORT(name, rest) "{name: " name ", driver: ring" rest "}"

static void differences_of_ports(void **state)
{
	differ("dataplane: {ports: [" PORT("a", "") ", " PORT("b", "") "]}\n",
	       "dataplane: {ports: [" PORT("b", "") ", " PORT("a", "") "]}\n",
	       "dataplane.ports[a]: at another place > moved in the list !\n"
	       "dataplane.ports[b]: at another place > moved in the list !\n");
	differ(
	    "dataplane: {ports: [" PORT("a", ", vlans: [{id: 5, addresses: [1.2.3.4/8]}]") "]}\n",
	    "dataplane: {ports: [" PORT("a", ", mtu: 9000, vlans: [{id: 5, addresses: [1.2.3.5/8]}]") "]}\n",
	    "dataplane.ports[a].mtu: 0 > 9000 !\n"
	    "dataplane.ports[a].vlans[5].addresses[1.2.3.4/8]: 1.2.3.4/8 >  !\n"
	    "dataplane.ports[a].vlans[5].addresses[1.2.3.5/8]:  > 1.2.3.5/8 !\n");
	differ("dataplane: {ports: [" PORT(
		   "a", ", neighbours: [{address: 1.2.3.4, mac: '02:00:00:00:00:01'}]") "]}\n",
	       "dataplane: {ports: [" PORT(
		   "a", ", neighbours: [{address: 1.2.3.4, mac: '02:00:00:00:00:02'}]") "]}\n",
	       "dataplane.ports[a].neighbours[1.2.3.4].mac: 02:00:00:00:00:01 > 02:00:00:00:00:02\n");
}

static void all_restarts(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	assert_true(restart);
}

static void all_live(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	assert_false(restart);
}

/* What wants a restart stays, what follows from it too; all the rest is the other's, inside of lists as well. */
static void what_may_change_is_taken(void **state)
{
	struct zs_conf *file = parse(
	    "instance: file\nflows: {ports: 30000-31000, capacity: 8192, idle_confirmed_s: 7}\n"
	    "dataplane: {workers: 2, cpus: [3, 4], busy_poll_us: 9, ports: ["
	    "{name: a, driver: af_packet, device: eth7, neighbours: [{address: 1.2.3.4, "
	    "mac: '02:00:00:00:00:01'}], vlans: [{id: 5}, {id: 6}]}, " PORT(
		"b", "") "]}\n"
			 "publish: [" P(1, "9.9.9.9:1") ", " P(2,
							       "9.9.9.9:1") "]\n"
									    "attach: {ports: 11000-12000}\n");
	struct zs_conf *kept = parse(
	    "instance: kept\nflows: {capacity: 4096, idle_confirmed_s: 8}\n"
	    "dataplane: {busy_poll_us: 10, ports: ["
	    "{name: a, driver: af_packet, device: eth8, neighbours: [{address: 1.2.3.4, "
	    "mac: '02:00:00:00:00:02'}], vlans: [{id: 6, routes: [{to: 9.0.0.0/8}]}]}]}\n"
	    "publish: [" P(3, "9.9.9.9:1") "]\nattach: {ports: 13000-14000}\n");
	struct zs_conf *used = malloc(sizeof(*used));

	memcpy(used, file, sizeof(*used));
	zs_conf_take_live(used, kept);
	assert_true(zs_conf_diff(used, kept, all_restarts, NULL) > 0);
	assert_true(zs_conf_diff(used, file, all_live, NULL) > 0);
	assert_string_equal(used->instance, "file");
	assert_int_equal(used->flows.capacity, 8192);
	assert_int_equal(used->flows.port_last, 31000);
	assert_int_equal(used->flows.idle_confirmed_s, 8);
	assert_int_equal(used->dataplane.cpu[1], 4);
	assert_int_equal(used->dataplane.ports, 2);
	assert_string_equal(used->dataplane.port[0].vlan[0].device, "eth7");
	assert_int_equal(used->dataplane.port[0].vlan[0].neighbour[0].mac[5], 2);
	assert_int_equal(used->dataplane.port[0].vlans, 3);
	assert_int_equal(used->dataplane.port[0].vlan[2].routes, 1);
	assert_int_equal(used->publishes, 1);
	assert_int_equal(used->publish[0].port, 3);
	assert_int_equal(used->attach.port_first, 13000);
	assert_int_equal(used->attach.port_last, 14000);
	free(file);
	free(kept);
	free(used);
}

/* Many published ports against none: the largest lists stay fast and whole. */
static void full_lists(void **state)
{
	size_t room = 100 * ZS_CONF_PUBLISH, n = 0;
	char *text = malloc(room);
	struct seen s = { "" };
	n += (size_t)snprintf(text, room, "publish:\n");
	for (int i = 0; i < ZS_CONF_PUBLISH; i++)
		n += (size_t)snprintf(text + n, room - n, "- {port: %d, target: \"9.9.9.9:%d\"}\n", i + 1,
				      i + 1);
	struct zs_conf *c = parse(text), *d = parse("instance: t1\n");
	assert_int_equal(c->publishes, ZS_CONF_PUBLISH);
	assert_int_equal(c->publish[ZS_CONF_PUBLISH - 1].port, ZS_CONF_PUBLISH);
	assert_int_equal(c->publish[ZS_CONF_PUBLISH - 1].line, ZS_CONF_PUBLISH + 1);
	assert_int_equal(zs_conf_diff(c, d, note, &s), ZS_CONF_PUBLISH);
	assert_int_equal(zs_conf_diff(c, d, NULL, NULL), ZS_CONF_PUBLISH);
	free(text);
	free(c);
	free(d);
}

static void tell(void *ctx, const struct zs_conf_reference_row *row)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);
	assert_non_null(row->text);
	assert_true(row->text[0] != '\0' && row->type[0] != '\0');
	snprintf(s->text + n, sizeof(s->text) - n, "%s\n", row->path);
}

static void reference_names_every_key(void **state)
{
	struct seen s = { "" };
	zs_conf_reference(tell, &s);
	static const char *const some[] = { "instance\n",
					    "dataplane.ports[].vlans[].routes[].via\n",
					    "flows.new_per_prefix_burst\n",
					    "publish[].max_flows\n",
					    "metrics.listen\n",
					    "log.level\n" };
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		assert_non_null(strstr(s.text, some[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_loads),
		cmocka_unit_test(defaults_come_from_the_table),
		cmocka_unit_test(instance_names_the_folders),
		cmocka_unit_test(empty_sections_and_lists),
		cmocka_unit_test(cpus_default_to_the_ones_there_are),
		cmocka_unit_test(odd_but_right_values),
		cmocka_unit_test(differences),
		cmocka_unit_test(differences_of_ports),
		cmocka_unit_test(what_may_change_is_taken),
		cmocka_unit_test(full_lists),
		cmocka_unit_test(reference_names_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
