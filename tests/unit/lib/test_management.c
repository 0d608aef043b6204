/* What a machine is managed by: rtnetlink messages as the kernel writes them, over every way that one interface stands on
 * another; whose session it is; and what a configuration may not take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conf/conf.h"
#include "net/management.h"

struct message {
	struct nlmsghdr head;
	uint8_t body[512];
};

static struct message begin(uint16_t type, const void *fixed, size_t len)
{
	struct message m = { .head = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(len), .nlmsg_type = type } };

	memcpy(m.body, fixed, len);
	return m;
}

static void put(struct message *m, uint16_t type, const void *value, size_t len)
{
	struct rtattr a = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len) };
	uint8_t *at = (uint8_t *)m + NLMSG_ALIGN(m->head.nlmsg_len);

	memcpy(at, &a, sizeof(a));
	memcpy(at + RTA_LENGTH(0), value, len);
	m->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a.rta_len));
}

static void link_is(struct zs_management *m, int index, const char *name, uint32_t below, uint32_t master,
		    bool elsewhere)
{
	struct ifinfomsg i = { .ifi_index = index };
	struct message n = begin(RTM_NEWLINK, &i, sizeof(i));
	uint32_t id = 3;

	put(&n, IFLA_IFNAME, name, strlen(name) + 1);
	if (below)
		put(&n, IFLA_LINK, &below, 4);
	if (master)
		put(&n, IFLA_MASTER, &master, 4);
	if (elsewhere)
		put(&n, IFLA_LINK_NETNSID, &id, 4);
	zs_management_take(m, &n.head, NULL);
}

static void route_is(struct zs_management *m, uint8_t family, uint8_t len, uint8_t type, uint32_t oif,
		     uint32_t second)
{
	struct rtmsg r = { .rtm_family = family, .rtm_dst_len = len, .rtm_type = type };
	struct message n = begin(RTM_NEWROUTE, &r, sizeof(r));
	struct rtnexthop hops[2] = { { .rtnh_len = sizeof(hops[0]), .rtnh_ifindex = (int)oif },
				     { .rtnh_len = sizeof(hops[0]), .rtnh_ifindex = (int)second } };

	if (second)
		put(&n, RTA_MULTIPATH, hops, sizeof(hops));
	else
		put(&n, RTA_OIF, &oif, 4);
	zs_management_take(m, &n.head, NULL);
}

static void address_is(struct zs_management *m, uint32_t index, const char *text, const struct zs_addr *ssh)
{
	struct zs_addr a;
	struct ifaddrmsg i = { .ifa_index = index };
	struct message n;
	bool four;

	assert_int_equal(zs_addr_parse(&a, text), 0);
	four = zs_addr_is4(&a);
	i.ifa_family = four ? AF_INET : AF_INET6;
	n = begin(RTM_NEWADDR, &i, sizeof(i));
	put(&n, four ? IFA_LOCAL : IFA_ADDRESS, a.ip + (four ? 12 : 0), four ? 4 : 16);
	zs_management_take(m, &n.head, ssh);
}

/* eth0 ─ eth0.100; eth1, eth2 ─ bond0 ─ br0; eth3; v8 ═ v9 a pair of veths; v10: its other end is elsewhere, by number eth3 */
static struct zs_management *machine(void)
{
	struct zs_management *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	link_is(m, 1, "lo", 0, 0, false);
	link_is(m, 2, "eth0", 0, 0, false);
	link_is(m, 3, "eth1", 0, 5, false);
	link_is(m, 4, "eth2", 0, 5, false);
	link_is(m, 5, "bond0", 0, 6, false);
	link_is(m, 6, "br0", 0, 0, false);
	link_is(m, 7, "eth3", 0, 0, false);
	link_is(m, 8, "v8", 9, 0, false);
	link_is(m, 9, "v9", 8, 0, false);
	link_is(m, 10, "v10", 7, 0, true);
	link_is(m, 11, "eth0.100", 2, 0, false);
	return m;
}

/* Which interfaces are taken, when `oif` has the default route. */
static void taken(uint32_t oif, const char *const *names)
{
	static const char *const all[] = { "lo",   "eth0", "eth1", "eth2", "bond0",   "br0",
					   "eth3", "v8",   "v9",   "v10",  "eth0.100" };
	struct zs_management *m = machine();

	route_is(m, AF_INET, 0, RTN_UNICAST, oif, 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool want = false;

		for (const char *const *n = names; *n; n++)
			want |= strcmp(*n, all[i]) == 0;
		if ((zs_management_by(m, all[i]) == ZS_MANAGEMENT_ROUTE) != want)
			fail_msg("default route by %u: %s is judged wrongly", oif, all[i]);
	}
	free(m);
}

static void what_stands_on_it(void **state)
{
	taken(1, (const char *const[]){ NULL }); /* the kernel's own unreachable default */
	taken(2, (const char *const[]){ "eth0", NULL });
	taken(11, (const char *const[]){ "eth0", "eth0.100", NULL });
	taken(6, (const char *const[]){ "eth1", "eth2", "bond0", "br0", NULL });
	taken(5, (const char *const[]){ "eth1", "eth2", "bond0", NULL });
	taken(8, (const char *const[]){ "v8", NULL });
	taken(10, (const char *const[]){ "v10", NULL });
}

static void which_routes(void **state)
{
	struct zs_management *m = machine();

	route_is(m, AF_INET, 24, RTN_UNICAST, 2, 0);
	route_is(m, AF_INET6, 0, RTN_UNREACHABLE, 2, 0);
	assert_int_equal(zs_management_by(m, "eth0"), ZS_MANAGEMENT_NOT);
	assert_int_equal(zs_management_by(m, "none"), ZS_MANAGEMENT_NOT);
	route_is(m, AF_INET6, 0, RTN_UNICAST, 2, 0);
	assert_int_equal(zs_management_by(m, "eth0"), ZS_MANAGEMENT_ROUTE);
	route_is(m, AF_INET, 0, RTN_UNICAST, 8, 7);
	assert_int_equal(zs_management_by(m, "eth3"), ZS_MANAGEMENT_ROUTE);
	assert_int_equal(zs_management_by(m, "v8"), ZS_MANAGEMENT_ROUTE);
	free(m);
}

static void whose_session(void **state)
{
	static const struct {
		const char *connection, *server;
	} rows[] = { { "192.0.2.9 50000 198.51.100.7 22", "198.51.100.7" },
		     { "2001:db8::9 50000 2001:db8::7 2222", "2001:db8::7" },
		     { "fe80::9%eth0 50000 fe80::7%eth0 22", "fe80::7" },
		     { "::ffff:192.0.2.9 1 ::ffff:198.51.100.7 22", "198.51.100.7" } };
	struct zs_management *m = machine();
	struct zs_addr ssh, want;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("SSH_CONNECTION", rows[i].connection, 1);
		assert_true(zs_management_ssh(&ssh));
		assert_int_equal(zs_addr_parse(&want, rows[i].server), 0);
		assert_true(zs_addr_eq(&ssh, &want));
	}
	address_is(m, 7, "198.51.100.8", &ssh);
	address_is(m, 7, "2001:db8::7", &ssh);
	assert_int_equal(zs_management_by(m, "eth3"), ZS_MANAGEMENT_NOT);
	address_is(m, 7, "198.51.100.7", &ssh);
	assert_int_equal(zs_management_by(m, "eth3"), ZS_MANAGEMENT_SSH);
	assert_int_equal(zs_management_by(m, "eth0"), ZS_MANAGEMENT_NOT);
	free(m);
}

/* A child that lost the variable, as under sudo, and its child: their ancestor has it. */
static void session_of_an_ancestor(void **state)
{
	static const char script[] = "unset SSH_CONNECTION; \"$1\" --session; exit $?";
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;
	pid_t pid;

	assert_true(n > 0);
	self[n] = '\0';
	pid = fork();
	if (pid == 0) {
		setenv("SSH_CONNECTION", "192.0.2.9 50000 203.0.113.77 22", 1);
		execl("/bin/sh", "sh", "-c", "sh -c \"$2\" sh \"$1\"; exit $?", "sh", self, script, NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 77); /* the address's last byte */
}

static int tell_session(void)
{
	struct zs_addr a;

	return zs_management_ssh(&a) ? a.ip[15] : 1;
}

static void hostile_messages(void **state)
{
	struct zs_management *m = machine();
	struct ifinfomsg i = { .ifi_index = 70 };
	struct message n = begin(RTM_NEWLINK, &i, sizeof(i));
	char longest[64];

	memset(longest, 'x', sizeof(longest)); /* a name without an end */
	put(&n, IFLA_IFNAME, longest, sizeof(longest));
	put(&n, IFLA_LINK, "ab", 2);
	zs_management_take(m, &n.head, NULL);
	n.head.nlmsg_len = NLMSG_LENGTH(4); /* cut */
	zs_management_take(m, &n.head, NULL);
	assert_int_equal(m->links, 12);
	link_is(m, 20, "a", 21, 22, false); /* rings end */
	link_is(m, 21, "b", 22, 20, false);
	link_is(m, 22, "c", 20, 21, false);
	assert_int_equal(zs_management_by(m, "a"), ZS_MANAGEMENT_NOT);
	for (int k = 0; k < ZS_MANAGEMENT_LINKS; k++)
		link_is(m, 100 + k, "many", 0, 0, false);
	assert_true(m->full);
	assert_int_equal(m->links, ZS_MANAGEMENT_LINKS);
	free(m);
}

static void this_machine(void **state)
{
	struct zs_management *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_int_equal(zs_management_read(m), 0);
	assert_true(m->links > 0);
	assert_string_equal(m->link[0].name, "lo");
	free(m);
}

static void a_port(void **state)
{
	struct zs_management *m = machine();
	struct zs_conf_port p = { .name = "wan", .driver = ZS_DRIVER_AF_XDP, .device = "eth0" };
	struct zs_error err;

	assert_int_equal(zs_conf_port_spares(&p, m, &err), 0);
	route_is(m, AF_INET, 0, RTN_UNICAST, 11, 0);
	assert_int_equal(zs_conf_port_spares(&p, m, &err), -EPERM);
	assert_int_equal(err.exit, ZS_EXIT_CONFIG);
	assert_string_equal(
	    err.text,
	    "port wan: eth0 carries a default route; name another interface, or say shared: true of "
	    "an af_xdp port");
	p.shared = true;
	assert_int_equal(zs_conf_port_spares(&p, m, &err), 0);
	p = (struct zs_conf_port){ .name = "wan", .driver = ZS_DRIVER_AF_PACKET, .device = "eth0" };
	assert_int_equal(zs_conf_port_spares(&p, m, &err), -EPERM);
	p.driver = ZS_DRIVER_RING; /* no interface of the kernel, whatever its arguments */
	assert_int_equal(zs_conf_port_spares(&p, m, &err), 0);
	free(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_on_it),
		cmocka_unit_test(which_routes),
		cmocka_unit_test(whose_session),
		cmocka_unit_test(session_of_an_ancestor),
		cmocka_unit_test(hostile_messages),
		cmocka_unit_test(this_machine),
		cmocka_unit_test(a_port),
	};

	if (argc == 2 && strcmp(argv[1], "--session") == 0)
		return tell_session();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
