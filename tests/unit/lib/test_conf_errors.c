/* Wrong configurations: each row names the line and a part of what is said, "what; what to do". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/conf.h"

#define PORTS "dataplane:\n  ports:\n" /* lines 1 and 2 */

static const struct row {
	const char *text;
	uint32_t line;
	const char *part;
} rows[] = {
	/* not YAML, or more of it than a configuration needs */
	{ "", 1, "empty" },
	{ "# nothing\n", 1, "empty" },
	{ "just words\n", 1, "keys with values" },
	{ "- a\n- b\n", 1, "keys with values" },
	{ "log: {level: info\n", 2, "not YAML" },
	{ "log:\n\tlevel: info\n", 2, "not YAML" },
	{ "log: \"abc\n", 2, "not YAML" },
	{ "instance: a\xff\n", 0, "UTF-8" },
	{ "log: &x {level: info}\n", 1, "anchor" },
	{ "instance: a\nlog: *x\n", 2, "alias" },
	{ "instance: !!str a\n", 1, "tag" },
	{ "log: !x {level: info}\n", 1, "tag" },
	{ "%YAML 1.1\n---\ninstance: a\n", 1, "directive" },
	{ "%TAG ! tag:x,2000:\n---\ninstance: a\n", 1, "directive" },
	{ "instance: a\n---\ninstance: b\n", 2, "second document" },
	{ "publish: [[[[[[[[[[1]]]]]]]]]]\n", 1, "nesting" },
	{ "? {a: b}\n: c\n", 1, "no word" },
	{ "<<: {level: info}\n", 1, "unknown key '<<'" },
	/* keys */
	{ "instance: a\nfoo: 1\n", 2, "unknown key 'foo'; known here: instance" },
	{ "log:\n  levle: info\n", 2, "unknown key 'levle'; known here: format level" },
	{ "instance: a\nlog: {}\ninstance: b\n", 3, "'instance' stands here twice" },
	{ "log: {level: info}\nflows: {}\nlog: {}\n", 3, "'log' stands here twice" },
	{ "log: info\n", 1, "log: keys with values" },
	{ "publish: {port: 1}\n", 1, "publish: a list" },
	{ "publish: 3\n", 1, "publish: a list" },
	{ "publish:\n  - 7\n", 2, "publish: keys with values" },
	{ "instance: Pop_1.A\n", 1, "no name of an instance; use 1 to 32 of a-z, 0-9" },
	{ "instance: [a]\n", 1, "instance: one value" },
	{ "instance:\n", 1, "instance: the value is missing" },
	{ PORTS "  - name: a\n", 3, "port without 'driver'" },
	{ "publish:\n- {port: 1}\n", 2, "publish without 'target'" },
	/* roles */
	{ "instance: a\nroles: {realy: true}\n", 2,
	  "unknown key 'realy'; known here: relay cache index settle archive seed" },
	{ "roles:\n  relay: true\n  index: true\n", 3, "index: this build has no module dht" },
	{ "roles: {settle: true}\n", 1, "settle: this build has no module ledger" },
	{ "roles: {relay: maybe}\n", 1, "relay: 'maybe'" },
	{ "roles: [relay]\n", 1, "roles: keys with values" },
	{ "instance: a\nroles:\n  relay: false\n", 3, "none is on; write relay: true" },
	{ "roles:\n  relay: false\n  seed: true\n", 3, "seed: nodes bootstrap at p2p.listen" },
	{ "roles: {relay: false, seed: true}\np2p: {listen: [\"0.0.0.0:4001\"]}\n"
	  "publish:\n- {port: 4443, target: \"198.51.100.1:1\"}\n",
	  4, "port: 4443 is published without the role relay" },
	/* values */
	{ "instance: a/b\n", 1, "is no name of an instance" },
	{ "instance: .hidden\n", 1, "is no name of an instance" },
	{ "instance: aaaaaaaaaabbbbbbbbbbccccccccccddd\n", 1, "33 characters; write 1 to 32" },
	{ "state_dir: relative\n", 1, "absolute path" },
	{ "run_dir: /run/../etc\n", 1, "absolute path" },
	{ "instance: \"a\\0b\"\n", 1, "one value belongs here" },
	{ PORTS "  - {name: a, driver: pcap, device: \"a\\nb\"}\n", 3, "control character" },
	{ "dataplane: {workers: 0}\n", 1, "out of range; write 1 to 16" },
	{ "dataplane:\n  workers: 17\n", 2, "out of range" },
	{ "dataplane: {workers: \"2\"}\n", 1, "take the quotes off" },
	{ "dataplane: {workers: two}\n", 1, "is not a number" },
	{ "dataplane: {workers: -1}\n", 1, "is not a number" },
	{ "dataplane: {workers: 010}\n", 1, "is not a number" },
	{ "dataplane: {workers: 0x1}\n", 1, "is not a number" },
	{ "dataplane: {workers: 1.0}\n", 1, "is not a number" },
	{ "dataplane: {memory_mb: 4294967296}\n", 1, "number" },
	{ "dataplane: {memory_mb: 4294967552}\n", 1, "number" },
	{ "dataplane: {memory_mb: 99999999999999999999}\n", 1, "number" },
	{ "dataplane: {hugepages: yes}\n", 1, "neither true nor false" },
	{ "dataplane: {hugepages: \"true\"}\n", 1, "take the quotes off" },
	{ "dataplane: {cpus: 1}\n", 1, "a list belongs here" },
	{ "dataplane: {cpus: []}\n", 1, "empty" },
	{ "dataplane:\n  cpus: [1, 1024]\n", 2, "out of range" },
	{ "dataplane:\n  workers: 2\n  cpus: [1]\n", 3, "1 for 2 workers" },
	{ "dataplane: {cpus: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}\n", 1, "too many" },
	{ "log: {level: loud}\n", 1, "write one of: err warning" },
	{ "log: {format: kv json}\n", 1, "none of the words" },
	{ "flows: {ports: 20000}\n", 1, "FIRST-LAST" },
	{ "flows: {ports: 30000-20000}\n", 1, "out of range" },
	{ "flows: {ports: 80-20000}\n", 1, "out of range" },
	{ "flows: {ports: 20000-65536}\n", 1, "out of range" },
	{ "flows: {ports: 20000-20031}\n", 1, "32 ports for 1 workers" },
	{ "dataplane: {workers: 4}\nflows:\n  ports: 20000-20199\n", 3, "200 ports for 4 workers" },
	{ PORTS "  - {name: a, driver: e1000}\n", 3, "is no driver" },
	{ PORTS "  - {name: a, driver: ring, mtu: 1279}\n", 3, "out of range" },
	{ PORTS "  - {name: a, driver: ring, rx_ring: 1000}\n", 3, "power of two" },
	{ PORTS "  - {name: a, driver: ring, shared: true}\n", 3, "shares no interface; leave out 'shared'" },
	{ PORTS "  - {name: a, driver: af_xdp, device: e, twin: t}\n", 3, "the kernel keeps e" },
	{ PORTS "  - {name: a, driver: ring, twin: t}\n  - {name: b, driver: ring, twin: t}\n", 4,
	  "belongs to port a already" },
	{ PORTS "  - {name: a, driver: ring, twin: e}\n  - {name: b, driver: af_packet, device: e}\n", 3,
	  "belongs to port b already" },
	{ PORTS "  - {name: a, driver: ring, twin: lo}\n", 3, "is the loopback interface" },
	{ PORTS "  - {name: a, driver: ring, twin_pps: 0}\n", 3, "out of range" },
	{ PORTS "  - {name: a, driver: ring, addresses: [10.0.0.1]}\n", 3, "ADDR/LEN" },
	{ PORTS "  - {name: a, driver: ring, addresses: [10.0.0.1/33]}\n", 3, "prefix length" },
	{ PORTS "  - {name: a, driver: ring, addresses: [010.0.0.1/8]}\n", 3, "ADDR/LEN" },
	{ PORTS "  - {name: a, driver: ring, addresses: [127.0.0.1/8]}\n", 3, "loopback" },
	{ PORTS "  - {name: a, driver: ring, addresses: [224.0.0.1/8]}\n", 3, "multicast" },
	{ PORTS "  - {name: a, driver: ring, addresses: ['fe80::1%eth0/64']}\n", 3, "ADDR/LEN" },
	{ PORTS "  - {name: a, driver: ring, neighbours: [{address: 1.2.3.4, mac: '01:00:00:00:00:01'}]}\n",
	  3, "group" },
	{ PORTS "  - {name: a, driver: ring, neighbours: [{address: 1.2.3.4, mac: '2:0:0:0:0:1'}]}\n", 3,
	  "hex pairs" },
	{ PORTS "  - {name: a, driver: ring, neighbours: [{address: 1.2.3, mac: '02:00:00:00:00:01'}]}\n", 3,
	  "not an address" },
	{ PORTS "  - {name: a, driver: ring, routes: [{to: 10.0.0.1/8}]}\n", 3, "not a prefix" },
	{ PORTS "  - {name: a, driver: ring, routes: [{to: 10.0.0.0/8, via: '2001:db8::1'}]}\n", 3,
	  "other family" },
	{ PORTS "  - {name: a, driver: ring, vlans: [{id: 4095}]}\n", 3, "out of range" },
	{ PORTS "  - {name: a, driver: ring, vlans: [{id: 0}]}\n", 3, "out of range" },
	{ "publish: [{port: 0, target: '9.9.9.9:1'}]\n", 1, "out of range" },
	{ "publish: [{port: 65536, target: '9.9.9.9:1'}]\n", 1, "out of range" },
	{ "publish: [{port: 1, target: '9.9.9.9'}]\n", 1, "address with a port" },
	{ "publish: [{port: 1, target: '9.9.9.9:0'}]\n", 1, "address with a port" },
	{ "publish: [{port: 1, target: '[::ffff:9.9.9.9]:1'}]\n", 1, "address with a port" },
	{ "publish: [{port: 1, target: 'example.org:1'}]\n", 1, "address with a port" },
	/* things that must agree */
	{ PORTS "  - {name: a, driver: af_xdp}\n", 3, "driver af_xdp without 'device'" },
	{ PORTS "  - {name: a, driver: af_xdp, device: abcdefghijklmnop}\n", 3, "no interface name" },
	{ PORTS "  - {name: a, driver: ring}\n  - name: b\n    driver: ring\n  - driver: ring\n    name: a\n",
	  7, "two ports" },
	{ PORTS
	  "  - {name: a, driver: af_xdp, device: e0}\n  - name: b\n    driver: af_xdp\n    device: e0\n",
	  6, "belongs to port a" },
	{ PORTS "  - name: a\n    driver: ring\n    vlans:\n    - {id: 7}\n    - id: 7\n", 7,
	  "VLAN 7 stands twice" },
	{ PORTS "  - {name: a, driver: ring, addresses: [1.2.3.4/8]}\n  - name: b\n    driver: ring\n    "
		"vlans:\n    - id: 1\n      addresses:\n      - 1.2.3.4/16\n",
	  9, "1.2.3.4 stands twice" },
	{ PORTS "  - name: a\n    driver: ring\n    neighbours:\n    - {address: 1.2.3.4, mac: "
		"'02:00:00:00:00:01'}\n    - {address: 1.2.3.4, mac: '02:00:00:00:00:02'}\n",
	  7, "1.2.3.4 stands twice" },
	{ PORTS
	  "  - name: a\n    driver: ring\n    routes:\n    - {to: 10.0.0.0/8}\n    - {to: 10.0.0.0/8}\n",
	  7, "same destination" },
	{ "publish:\n- {port: 1, target: '9.9.9.9:1'}\n- target: '9.9.9.9:2'\n  port: 1\n", 4,
	  "1 is published twice" },
	{ "publish:\n- {port: 20000, target: '9.9.9.9:1'}\n", 2, "lies in flows.ports (20000-32767)" },
	{ "publish:\n- {port: 40000, target: '9.9.9.9:1'}\nflows: {ports: 40000-41000}\n", 2,
	  "lies in flows.ports" },
	{ "metrics:\n  listen: 0.0.0.0:9464\n", 2, "metrics stay on the host" },
	{ "metrics: {listen: \"[2001:db8::1]:9464\"}\n", 1, "metrics stay on the host" },
	{ "metrics: {listen: on}\n", 1, "or off" },
	/* who may attach */
	{ "attach:\n  policies: [{name: p, mbit_s: 1, burst_kb: 8179}]\n", 2, "take 8178 at most" },
	{ "attach:\n  tenants: [{name: p, mbit_s: 1, burst_kb: 9000}]\n", 2, "take 8178 at most" },
	{ "attach: {mode: all}\n", 1, "none of the words" },
	{ "attach: {mode: token}\n", 1, "without attach.token_file" },
	{ "attach: {psk: required}\n", 1, "without attach.psk_file" },
	{ "attach:\n  policy: gold\n", 2, "no 'gold' in attach.policies" },
	{ "attach:\n  policies:\n  - {name: gold}\n  - name: gold\n", 4, "name of two policies" },
	{ "attach:\n  allow:\n  - {peer: 12D3KooWa}\n  - peer: 12D3KooWa\n", 4, "allowed twice" },
	{ "attach:\n  allow:\n  - peer: 12D3KooWa\n    policy: tin\n", 4, "no 'tin' in attach.policies" },
	{ "attach:\n  allow:\n  - peer: 12D3KooWa\n    tenant: lab\n", 4, "no 'lab' in attach.tenants" },
	{ "attach:\n  tenants:\n  - {name: lab}\n  - name: lab\n", 4, "name of two tenants" },
	{ "attach:\n  tenants:\n  - {name: lab, strangers: limited}\n", 3, "strangers" },
	{ "attach:\n  policies:\n  - {name: lab, excess: queue}\n", 3, "none of the words" },
	{ "attach:\n  ports: 19000-21000\n", 2, "meets flows.ports" },
	{ "attach: {tunnel_port: 10000}\n", 1, "lies in attach.ports" },
	{ "attach: {service_port: 20000}\n", 1, "lies in flows.ports" },
	{ "attach: {service_port: 4434}\n", 1, "the tunnel's port" },
	{ "cids: {expires_s: 61, live_s: 60}\n", 1, "longer than cids.live_s" },
	/* the libp2p host */
	{ "p2p:\n  listen:\n  - 0.0.0.0:4001\n  - 0.0.0.0:4001\n", 4, "stands here twice" },
	{ "p2p:\n  listen: ['0.0.0.0:20000']\n", 2, "lies in flows.ports" },
	{ "p2p:\n  listen: ['0.0.0.0:10000']\n", 2, "lies in attach.ports" },
	{ "p2p:\n  listen: ['[::]:4434']\n", 2, "is attach.tunnel_port" },
	{ "p2p:\n  listen: ['[::]:4433']\n", 2, "is attach.service_port" },
	{ "publish:\n- {port: 4001, target: '9.9.9.9:443'}\np2p:\n  listen: ['[::]:4001']\n", 4,
	  "is published" },
	{ "p2p: {profile: lab}\n", 1, "none of the words" },
	{ "p2p: {low: 4096}\n", 1, "not below high" },
	{ "p2p:\n  limits:\n  - {conns: 4}\n", 3, "without 'scope'" },
	{ "p2p:\n  limits:\n  - scope: galaxy\n", 3, "no 'galaxy'" },
	{ "p2p:\n  limits:\n  - scope: peer\n  - scope: peer\n", 4, "stands here twice" },
	/* who may be a target */
	{ "publish:\n- port: 1\n  target: 127.0.0.1:1\n", 3,
	  "denied (loopback), which no list may allow; aim elsewhere" },
	{ "publish:\n- port: 1\n  target: '[::1]:1'\n", 3, "denied (loopback)" },
	{ "publish:\n- port: 1\n  target: 10.0.0.1:1\n", 3,
	  "denied (private); name its range in targets.allow" },
	{ "targets: {allow: [10.1.0.0/16]}\npublish:\n- port: 1\n  target: 10.0.0.1:1\n", 4, "private" },
	{ "publish:\n- port: 1\n  target: 224.0.0.1:1\n", 3, "multicast" },
	{ "publish:\n- port: 1\n  target: '[64:ff9b::7f00:1]:1'\n", 3, "which no list may allow" },
	{ "targets:\n  allow:\n  - 10.0.0.0/8\n  - 127.0.0.0/8\n", 4, "cannot be allowed" },
	{ "targets: {allow: [0.0.0.0/0]}\n", 1, "cannot be allowed" },
	{ "targets: {allow: [10.0.0.1/8]}\n", 1, "not a prefix" },
	{ "targets: {allow: 10.0.0.0/8}\n", 1, "a list belongs here" },
	{ PORTS
	  "  - {name: a, driver: ring, addresses: [9.9.9.9/8]}\npublish:\n- {port: 1, target: '9.9.9.9:1'}\n",
	  5, "is an address of this relay" },
};

static void check(const struct row *row, const char *text, size_t len)
{
	char place[64];
	struct zs_error err = { 0 };
	struct zs_conf *c = malloc(sizeof(*c));
	int ret = zs_conf_parse(c, "t.yaml", text, len, &err);
	free(c);
	if (row->line)
		snprintf(place, sizeof(place), "t.yaml:%u: ", row->line);
	else
		snprintf(place, sizeof(place), "t.yaml: ");
	if (ret != -EINVAL || err.exit != ZS_EXIT_CONFIG || err.line != row->line ||
	    strncmp(err.text, place, strlen(place)) != 0 || !strstr(err.text, row->part) ||
	    !strchr(err.text, ';') || strchr(err.text, '\n'))
		fail_msg("for\n%s\nwanted %s… %s\ngot %d line %u: %s", text, place, row->part, ret, err.line,
			 err.text);
}

static void rows_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], rows[i].text, strlen(rows[i].text));
}

static void too_many_elements(void **state)
{
	char text[8192] = "publish:\n";
	struct row row = { .line = 66, .part = "more than 64 elements" };
	strcpy(text, "targets: {allow: [\n");
	for (int i = 0; i < 65; i++)
		sprintf(text + strlen(text), "10.%d.0.0/16,\n", i);
	strcat(text, "]}\n");
	check(&row, text, strlen(text));
	strcpy(text, PORTS);
	for (int i = 0; i < 17; i++)
		sprintf(text + strlen(text), "  - {name: p%d, driver: ring}\n", i);
	row = (struct row){ .line = 19, .part = "more than 16 elements" };
	check(&row, text, strlen(text));
	strcpy(text, PORTS "  - name: a\n    driver: ring\n    vlans:\n");
	for (int i = 1; i <= 8; i++)
		sprintf(text + strlen(text), "    - {id: %d}\n", i);
	row = (struct row){ .line = 13, .part = "more than 8 elements" };
	check(&row, text, strlen(text));
}

static void size_is_limited(void **state)
{
	size_t len = ZS_CONF_SIZE_MAX + 1;
	char *text = malloc(len);
	memset(text, '#', len);
	struct row row = { .line = 0, .part = "larger than" };
	check(&row, text, len);
	row = (struct row){ .line = 1, .part = "empty" };
	check(&row, text, len - 1);
	free(text);
}

/* An error is one line even if the file puts control characters into what is quoted. */
static void quoted_text_is_harmless(void **state)
{
	struct row row = { .line = 1, .part = "unknown key" };
	const char *text = "\"a\\nb\\e[31m\": 1\n";
	check(&row, text, strlen(text));
	row.part = "is not a name";
	text = "instance: \"a\\x7fb\\x1bc\"\n";
	struct zs_error err = { 0 };
	struct zs_conf *c = malloc(sizeof(*c));
	assert_int_equal(zs_conf_parse(c, "t", text, strlen(text), &err), -EINVAL);
	for (const char *s = err.text; *s; s++)
		assert_true((unsigned char)*s >= ' ' && *s != 0x7f);
	free(c);
}

/* Every file cut short at each byte either parses or says where it ends; never crashes. */
static void cut_short(void **state)
{
	char text[8192];
	FILE *f = fopen("docs/examples/relay.yaml", "r");
	assert_non_null(f);
	size_t len = fread(text, 1, sizeof(text), f);
	fclose(f);
	struct zs_conf *c = malloc(sizeof(*c));
	for (size_t n = 0; n < len; n++) {
		struct zs_error err = { 0 };
		int ret = zs_conf_parse(c, "t.yaml", text, n, &err);
		assert_true(ret == 0 || (ret == -EINVAL && err.text[0] != '\0'));
	}
	free(c);
}

static void files_that_cannot_be_read(void **state)
{
	char dir[] = "/tmp/zs-conf-XXXXXX", path[64];
	struct zs_error err = { 0 };
	struct zs_conf *c = malloc(sizeof(*c));
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.yaml", dir);
	assert_int_equal(zs_conf_load(c, path, &err), -ENOENT);
	assert_int_equal(err.exit, ZS_EXIT_CONFIG);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(zs_conf_load(c, dir, &err), -EINVAL);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(zs_conf_load(c, path, &err), -EINVAL); /* and does not hang */
	assert_non_null(strstr(err.text, "is no regular file"));
	unlink(path);
	snprintf(path, sizeof(path), "%s/bad name.yaml", dir);
	FILE *f = fopen(path, "w");
	fputs("log: {}\n", f);
	fclose(f);
	assert_int_equal(zs_conf_load(c, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "from the file's name"));
	unlink(path);
	rmdir(dir);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_refused), cmocka_unit_test(too_many_elements),
		cmocka_unit_test(size_is_limited),  cmocka_unit_test(quoted_text_is_harmless),
		cmocka_unit_test(cut_short),	    cmocka_unit_test(files_that_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
