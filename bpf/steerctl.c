/* zs-steer: the steering program by hand, for tests and for looking at a port in trouble. The dataplane
 * needs none of it. Values are key=value, one record a line. */
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/roff.h"
#include "loader.h"
#include "version.h"

#define KEYS_MAX 256 /* on one command line */

static const char usage_text[] =
    "usage: zs-steer attach INSTANCE INTERFACE [OBJECT]   attach steer.bpf.o, or adopt what is attached\n"
    "       zs-steer detach INSTANCE INTERFACE            detach and unpin\n"
    "       zs-steer status INSTANCE INTERFACE            program, keys, counters\n"
    "       zs-steer blocks INSTANCE INTERFACE            source prefixes that are dropped, for how long, "
    "how much\n"
    "       zs-steer block INSTANCE INTERFACE ADDRESS SECONDS   drop the address's /24 or /56 for a while\n"
    "       zs-steer keys INSTANCE INTERFACE              list what is steered\n"
    "       zs-steer keys INSTANCE INTERFACE FIRST-LAST KEY...\n"
    "           steer exactly these; FIRST-LAST is the flow range, KEY is [VLAN/]ADDRESS:PORT,\n"
    "           PORT * for the flow range, or the single word none\n"
    "       zs-steer --version | man\n";

static int usage(void)
{
	fputs(usage_text, stderr);
	return ZS_EXIT_USAGE;
}

static int fail(const struct zs_error *err)
{
	fprintf(stderr, "zs-steer: %s\n", err->text);
	return err->exit;
}

static int fail_code(int rc, const char *what)
{
	fprintf(stderr, "zs-steer: %s: %s\n", what, strerror(-rc));
	return ZS_EXIT_FAILED;
}

static int attach(int argc, char **argv)
{
	struct zs_error err = { 0 };
	struct zs_steer s;
	char path[ZS_FILE_PATH];

	if (zs_steer_open(&s, argv[0], argv[1], argc > 2 ? argv[2] : zs_file_beside(path, "steer.bpf.o"),
			  NULL, &err))
		return fail(&err);
	printf("interface=%s adopted=%d\n", s.ifname, s.adopted);
	zs_steer_close(&s);
	return 0;
}

static int detach(int argc, char **argv)
{
	struct zs_error err = { 0 };

	return zs_steer_remove(argv[0], argv[1], &err) ? fail(&err) : 0;
}

static void print_key(const struct zs_steer_key *key)
{
	struct zs_endpoint ep = { .port = key->port };
	char text[ZS_ENDPOINT_TEXT];

	memcpy(ep.addr.ip, key->addr, sizeof(ep.addr.ip));
	if (key->port)
		printf("interface=%u vlan=%u key=%s\n", key->ifindex, key->vlan,
		       zs_endpoint_format(&ep, text));
	else
		printf("interface=%u vlan=%u key=%s:*\n", key->ifindex, key->vlan,
		       zs_addr_format(&ep.addr, text));
}

static unsigned list_keys(const struct zs_steer *s, bool print)
{
	struct zs_steer_key key;
	unsigned n = 0;

	for (void *from = NULL; !bpf_map_get_next_key(s->keys_fd, from, &key) && n < 2 * ZS_STEER_KEYS_MAX;
	     n++) {
		from = &key;
		if (print)
			print_key(&key);
	}
	return n;
}

static int status(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct zs_error err = { 0 };
	uint64_t counters[ZS_STEER_COUNTERS];
	struct zs_steer s;
	int rc;

	if (zs_steer_peek(&s, argv[0], argv[1], &err))
		return fail(&err);
	rc = bpf_xdp_query(s.ifindex, 0, &q);
	if (!rc)
		rc = zs_steer_counters(&s, counters);
	if (!rc)
		printf("interface=%s program=%u mode=%s keys=%u steered=%lu passed=%lu dropped=%lu "
		       "blocked=%lu\n",
		       s.ifname, q.prog_id, q.attach_mode == XDP_ATTACHED_SKB ? "skb" : "native",
		       list_keys(&s, false), counters[ZS_STEER_STEERED], counters[ZS_STEER_PASSED],
		       counters[ZS_STEER_DROPPED], counters[ZS_STEER_BLOCKED]);
	zs_steer_close(&s);
	return rc ? fail_code(rc, "cannot read the counters") : 0;
}

static void print_block(const struct zs_steer_site *site, const struct zs_steer_block *block)
{
	struct zs_addr a = { .ip = { [10] = 0xff, [11] = 0xff } };
	uint64_t now = zs_clock_ns();
	char text[ZS_ADDR_TEXT];

	if (site->family == 6)
		memset(&a, 0, sizeof(a));
	memcpy(a.ip + (site->family == 6 ? 0 : 12), site->net, site->family == 6 ? 7 : 3);
	printf("prefix=%s/%d seconds=%llu dropped=%llu\n", zs_addr_format(&a, text),
	       site->family == 6 ? 56 : 24,
	       (unsigned long long)(block->until_ns > now ? (block->until_ns - now) / ZS_NS_PER_S : 0),
	       (unsigned long long)block->dropped);
}

static int blocks(int argc, char **argv)
{
	struct zs_error err = { 0 };
	struct zs_steer_block block;
	struct zs_steer_site site;
	struct zs_steer s;
	void *from = NULL;

	if (zs_steer_peek(&s, argv[0], argv[1], &err))
		return fail(&err);
	for (unsigned i = 0; i < ZS_STEER_BLOCKS_MAX && !bpf_map_get_next_key(s.blocks_fd, from, &site);
	     i++) {
		from = &site;
		if (!bpf_map_lookup_elem(s.blocks_fd, &site, &block))
			print_block(&site, &block);
	}
	zs_steer_close(&s);
	return 0;
}

static int block(int argc, char **argv)
{
	struct zs_error err = { 0 };
	struct zs_steer_site site;
	struct zs_addr a;
	struct zs_steer s;
	int rc;

	if (argc != 4 || zs_addr_parse(&a, argv[2]))
		return usage();
	if (zs_steer_peek(&s, argv[0], argv[1], &err))
		return fail(&err);
	site = zs_steer_site_of(&a);
	rc = zs_steer_block(&s, &site, zs_clock_ns() + strtoull(argv[3], NULL, 10) * ZS_NS_PER_S);
	zs_steer_close(&s);
	return rc ? fail_code(rc, "cannot block") : 0;
}

static int get_mac(const char *ifname, uint8_t mac[6])
{
	struct ifreq ifr = { 0 };
	int rc = 0, fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		rc = -errno;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
	return rc;
}

/* [VLAN/]ADDRESS:PORT, taken apart in place. */
static int parse_key(struct zs_steer_key *key, uint32_t ifindex, char *text)
{
	char *slash = strchr(text, '/'), *end = text + strlen(text);
	struct zs_endpoint ep = { 0 };
	int rc;

	*key = (struct zs_steer_key){ .ifindex = ifindex };
	if (slash) {
		*slash = 0;
		key->vlan = (uint16_t)atoi(text);
		text = slash + 1;
	}
	if (end - text > 2 && !strcmp(end - 2, ":*")) {
		end[-2] = 0;
		if (*text == '[' && end[-3] == ']') {
			text++;
			end[-3] = 0;
		}
		rc = zs_addr_parse(&ep.addr, text);
	} else {
		rc = zs_endpoint_parse(&ep, text);
	}
	key->port = ep.port;
	memcpy(key->addr, ep.addr.ip, sizeof(key->addr));
	return rc;
}

static int set_keys(struct zs_steer *s, int argc, char **argv)
{
	struct zs_steer_key keys[KEYS_MAX];
	struct zs_steer_config config = { 0 };
	uint32_t count = 0;
	int rc;

	if (argc < 2 || argc - 1 > KEYS_MAX ||
	    sscanf(argv[0], "%hu-%hu", &config.flow_port_first, &config.flow_port_last) != 2)
		return usage();
	for (int i = 1; i < argc && strcmp(argv[i], "none"); i++, count++) {
		if (parse_key(&keys[count], (uint32_t)s->ifindex, argv[i]))
			return usage();
	}
	rc = get_mac(s->ifname, config.mac);
	if (!rc)
		rc = zs_steer_sync(s, &config, keys, count);
	return rc ? fail_code(rc, "cannot set the keys") : 0;
}

static int keys_verb(int argc, char **argv)
{
	struct zs_error err = { 0 };
	struct zs_steer s;
	int status_code = 0;

	if (zs_steer_peek(&s, argv[0], argv[1], &err))
		return fail(&err);
	if (argc > 2)
		status_code = set_keys(&s, argc - 2, argv + 2);
	else
		list_keys(&s, true);
	zs_steer_close(&s);
	return status_code;
}

static int man(void)
{
	zs_roff_begin(stdout, "zs-steer", 8, "the steering program of a port by hand",
		      "VERB INSTANCE INTERFACE ...");
	zs_roff(stdout, "For looking at a port in trouble, and for taking the program away that zs-dataplane "
			"leaves on it.\n");
	printf(".PP\n.nf\n");
	zs_roff(stdout, usage_text);
	printf(".fi\n");
	return ZS_EXIT_OK;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = { { "attach", attach },  { "detach", detach }, { "status", status },
		      { "keys", keys_verb }, { "blocks", blocks }, { "block", block } };

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("zs-steer " ZS_VERSION);
		return ZS_EXIT_OK;
	}
	if (argc == 2 && !strcmp(argv[1], "man"))
		return man();
	for (unsigned i = 0; argc > 3 && i < ZS_ARRAY_LEN(verbs); i++) {
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 2, argv + 2);
	}
	return usage();
}
