/* Two hosts on real sockets of one loop: they meet, the owner has its say in every turn, and a goodbye arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "node/node.h"

#define PATIENCE (10 * ZS_NS_PER_S)

struct end {
	struct zs_node node;
	struct zs_endpoint at;
	uint32_t connected, disconnected, advanced, worked;
	int by;			 /* whom the end was */
	uint64_t deadline, late; /* the owner's, and when it was told */
};

static void on_connected(void *ctx, struct zs_host_conn *conn)
{
	((struct end *)ctx)->connected++;
}

static void on_disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	struct end *e = ctx;

	e->disconnected++;
	e->by = why->by;
}

static const struct zs_host_ops host_ops = { .connected = on_connected, .disconnected = on_disconnected };

static void advance(void *ctx, uint64_t now)
{
	struct end *e = ctx;

	e->advanced++;
	if (now >= e->deadline && !e->late) {
		e->late = now;
		e->deadline = UINT64_MAX;
	}
}

static void work(void *ctx, uint64_t now)
{
	((struct end *)ctx)->worked++;
}

static uint64_t deadline(void *ctx)
{
	return ((struct end *)ctx)->deadline;
}

static const struct zs_node_ops node_ops = { .advance = advance, .work = work, .deadline = deadline };

static void begin(struct end *e, struct zs_loop *loop, const struct zs_node_ops *ops)
{
	const struct zs_endpoint any = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_host_config *config = malloc(sizeof(*config));
	struct zs_identity identity;
	struct zs_error err = { 0 };
	uint8_t seed[32];

	*e = (struct end){ .deadline = UINT64_MAX };
	zs_node_fill(seed, sizeof(seed));
	zs_identity_from_seed(&identity, seed);
	zs_host_defaults(config);
	zs_node_fill(config->quic.secret, sizeof(config->quic.secret));
	assert_int_equal(zs_node_open(&e->node, loop, config, &identity, &host_ops, ops, e), 0);
	assert_int_equal(zs_shell_open(e->node.shell, &any, 0, NULL, &err), 0);
	e->at = zs_udp_local(zs_shell_socket(e->node.shell, 0));
	free(config);
}

static void run_until(struct zs_loop *loop, const uint32_t *count)
{
	uint64_t until = zs_clock_ns() + PATIENCE;

	while (!*count && zs_clock_ns() < until)
		zs_loop_turn(loop, ZS_NS_PER_MS);
	assert_true(*count);
}

static void meet_and_part(void **state)
{
	struct zs_host_conn *conn;
	struct zs_error err = { 0 };
	struct zs_loop *loop;
	struct end one, other;

	assert_int_equal(zs_loop_new(&loop, ZS_LOOP_AUTO, &err), 0);
	begin(&one, loop, NULL);
	begin(&other, loop, &node_ops);
	assert_int_equal(zs_host_dial(one.node.host, &other.at, zs_host_id(other.node.host), NULL,
				      zs_loop_now(loop), &conn, &err),
			 0);
	zs_shell_turn(one.node.shell);
	run_until(loop, &other.connected);
	run_until(loop, &one.connected);
	assert_true(other.worked > 1);

	other.deadline = zs_loop_now(loop) + 5 * ZS_NS_PER_MS;
	zs_shell_turn(other.node.shell);
	for (uint64_t until = zs_clock_ns() + PATIENCE; !other.late && zs_clock_ns() < until;)
		zs_loop_turn(loop, ZS_NS_PER_S);
	assert_true(other.late);

	zs_node_close(&one.node);
	assert_int_equal(one.disconnected, 1);
	assert_int_equal(one.by, ZS_HOST_BY_US);
	assert_null(one.node.host);
	run_until(loop, &other.disconnected);
	assert_int_equal(other.by, ZS_HOST_BY_PEER);
	zs_node_close(&one.node); /* nothing is left to close */
	zs_node_close(&other.node);
	zs_loop_delete(loop);
}

static void refused_configuration(void **state)
{
	struct zs_host_config *config = malloc(sizeof(*config));
	struct zs_identity identity;
	struct zs_error err = { 0 };
	struct zs_loop *loop;
	struct zs_node node;
	uint8_t seed[32] = { 1 };

	assert_int_equal(zs_loop_new(&loop, ZS_LOOP_AUTO, &err), 0);
	zs_host_defaults(config);
	config->pushes_per_min = 0;
	zs_identity_from_seed(&identity, seed);
	assert_int_equal(zs_node_open(&node, loop, config, &identity, &host_ops, NULL, NULL), -EINVAL);
	zs_node_close(&node);
	free(config);
	zs_loop_delete(loop);
}

static void only_names_are_resolved(void **state)
{
	struct zs_dial_target target = { .host = ZS_DIAL_IP };
	struct zs_resolve *query;

	assert_int_equal(zs_node_resolve(&query, NULL, &target, NULL, NULL), -EPROTONOSUPPORT);
	target.host = ZS_DIAL_DNSADDR;
	assert_int_equal(zs_node_resolve(&query, NULL, &target, NULL, NULL), -EPROTONOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meet_and_part),
		cmocka_unit_test(refused_configuration),
		cmocka_unit_test(only_names_are_resolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
