/* The resource manager's scope of networks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>

#include "base/clock.h"
#include "p2p/limits.h"
#include "unit/p2p/peer_ids.h"

#define S ZS_NS_PER_S

/* Connections of one network count together whoever their peers are; those spared do not. */
static void networks(void **state)
{
	struct zs_limits_config config = { .key = { 1, 2 } };
	struct zs_addr near[3], other, six = { .ip = { 0x20, 1, [7] = 9 } }, same_six = six;
	struct zs_limits_conn c[6];
	struct zs_refusal why = { 0 };
	char text[ZS_REFUSAL_TEXT];
	struct zs_limits *m;

	zs_limits_defaults(&config);
	config.limit[ZS_SCOPE_network].conns_in = 2;
	config.peers = 6;
	m = zs_limits_new(&config);
	for (uint32_t i = 0; i < 6; i++) {
		struct zs_peer_id peer = peer_id(i);

		assert_int_equal(zs_limits_conn_open(m, &c[i], ZS_IN, S, &why), 0);
		assert_int_equal(zs_limits_conn_peer(m, &c[i], &peer, S, &why), 0);
	}
	for (uint32_t i = 0; i < 3; i++)
		near[i] = zs_addr_from4(htobe32(0xc6336400 | i));
	other = zs_addr_from4(htobe32(0xc6336500));
	same_six.ip[15] = 1;
	assert_int_equal(zs_limits_conn_network(m, &c[0], &near[0], &why), 0);
	assert_int_equal(zs_limits_conn_network(m, &c[1], &near[1], &why), 0);
	assert_int_equal(zs_limits_conn_network(m, &c[2], &near[2], &why), -EDQUOT);
	assert_non_null(strstr(zs_refusal_text(&why, text), "our limit, scope network 198.51.100.0 12D3"));
	assert_non_null(strstr(text, ": 2 of 2 connections the other side opened in use, 1 more asked; "
				     "network.conns_in raises it"));
	assert_int_equal(zs_limits_refused(m, ZS_SCOPE_network, ZS_RESOURCE_conns_in), 1);
	assert_int_equal(zs_limits_conn_network(m, &c[2], &other, &why), 0);
	assert_int_equal(zs_limits_conn_network(m, &c[3], &six, &why), 0);
	assert_int_equal(zs_limits_conn_network(m, &c[4], &same_six, &why), 0);
	assert_int_equal(zs_limits_network_usage(m, &six).conns[ZS_IN], 2);
	zs_limits_conn_spare(m, &c[0]);
	zs_limits_conn_spare(m, &c[0]); /* it is in none: nothing */
	assert_int_equal(zs_limits_conn_network(m, &c[5], &near[2], &why), 0);
	assert_true(zs_limits_check(m));
	for (int i = 0; i < 6; i++)
		zs_limits_conn_close(m, &c[i]);
	assert_int_equal(zs_limits_network_usage(m, &near[0]).conns[ZS_IN], 0);
	assert_true(zs_limits_check(m));
	zs_limits_delete(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(networks) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
