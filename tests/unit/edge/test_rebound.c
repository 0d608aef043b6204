/* Clients of a QUIC service whose NAT rebinds (rebound.c). The service is one that drops what a client sends from another
 * address than it began at. */
#define IDLE (12 * S) /* a flow that is not answered lives a twelfth of it */
#include "data_world.h"

#define PATIENCE (300 * MS)

enum { LONG = 0xc0, SHORT = 0x40 };

struct picky {
	struct world *w;
	struct zs_udp *udp;
	struct zs_endpoint knows; /* where the last client began */
	uint8_t cid_len;	  /* of its connection IDs: all bytes 7 */
	uint32_t version;
	bool follows; /* its clients may move */
	uint32_t passed, dropped;
};

static void picky_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct picky *p = ctx;

	for (size_t i = 0; i < count; i++) {
		uint8_t hello[64] = { LONG,
				      (uint8_t)(p->version >> 24),
				      (uint8_t)(p->version >> 16),
				      (uint8_t)(p->version >> 8),
				      (uint8_t)p->version,
				      0,
				      p->cid_len };
		struct zs_udp_datagram out = in[i];
		const uint8_t *form = in[i].data;

		if (*form == LONG) {
			memset(hello + 7, 7, p->cid_len);
			p->knows = in[i].peer;
			out.data = hello;
			out.len = sizeof(hello);
		} else if (!p->follows && !zs_endpoint_eq(&p->knows, &in[i].peer)) {
			p->dropped++;
			continue;
		}
		p->passed++;
		zs_udp_send(udp, &out, 1);
	}
}

/* In place of the service that is not there. */
static struct picky *serve(struct world *w, uint8_t cid_len, uint32_t version)
{
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct picky *p = calloc(1, sizeof(*p));
	struct zs_error err = { 0 };

	*p = (struct picky){ .w = w, .cid_len = cid_len, .version = version };
	assert_int_equal(zs_udp_open(&p->udp, w->loop, &local, ZS_UDP_NO_OFFLOAD, picky_in, p, &err), 0);
	w->target[1] = (struct zs_edge_target){ zs_udp_local(p->udp), true };
	begin(w);
	return p;
}

static void stop(struct picky *p)
{
	zs_udp_close(p->udp);
	free(p);
}

static void says(struct world *w, uint16_t number, uint8_t form, uint8_t cid)
{
	const struct zs_tunnel_flow f = { number, DEAD, ZS_TUNNEL_RELAY };
	uint8_t payload[40] = { form };

	memset(payload + 1, cid, ZS_EDGE_CID);
	assert_int_equal(relay_send(&w->relay, ZS_TUNNEL_DATA, &f, 0, payload, sizeof(payload)), ZS_DROPS);
}

/* The client on flow 1 shakes hands and speaks. */
static void converses(struct world *w, uint8_t cid)
{
	uint32_t had = w->answers;

	says(w, 1, LONG, 0);
	until_is(w, &w->answers, had + 1);
	says(w, 1, SHORT, cid);
	until_is(w, &w->answers, had + 2);
}

static uint16_t last_number(const struct world *w)
{
	return w->answer[(w->answers - 1) % ANSWERS].flow.number;
}

/* It comes on flow 2 now: the service knows the socket, after a while of silence on flow 1. */
static void taken_along(void **state)
{
	struct world *w = *state;
	struct picky *p = serve(w, 8, 1);

	converses(w, 7);
	says(w, 2, SHORT, 7);
	until_is(w, &p->dropped, 1);
	says(w, 2, SHORT, 7); /* too soon */
	until_is(w, &p->dropped, 2);
	run(w, PATIENCE);
	says(w, 2, SHORT, 7);
	until_is(w, &w->answers, 3);
	assert_int_equal(last_number(w), 2);
	assert_int_equal(p->dropped, 2);
	assert_int_equal(state_of(w).rebound, 1);
	/* And once more, on flow 3. */
	says(w, 3, SHORT, 7);
	run(w, PATIENCE + 10 * MS);
	says(w, 3, SHORT, 7);
	until_is(w, &w->answers, 4);
	assert_int_equal(last_number(w), 3);
	/* It was somebody else: the client on flow 1 speaks, at once all is as it was. */
	says(w, 1, SHORT, 7);
	until_is(w, &w->answers, 5);
	assert_int_equal(last_number(w), 1);
	until_is(w, &w->closes, 1);
	assert_int_equal(w->close[0].flow.number, 3);
	assert_int_equal(w->close[0].reason, ZS_ATTACH_CLOSE_refused);
	assert_int_equal(state_of(w).rebound, 3);
	stop(p);
}

/* Nobody asked for it: whoever knows a connection ID gets a socket of his own, whatever he waits. */
static void not_asked_for(void **state)
{
	struct world *w = *state;
	struct picky *p = serve(w, 8, 1);

	w->target[1].follow = false;
	converses(w, 7);
	for (uint32_t n = 1; n <= 3; n++) {
		says(w, 2, SHORT, 7);
		until_is(w, &p->dropped, n);
		run(w, PATIENCE);
	}
	assert_int_equal(w->answers, 2);
	assert_int_equal(state_of(w).rebound, 0);
	stop(p);
}

/* A client that only listens has nothing more to say: what the service says next finds it. */
static void found_by_the_service(void **state)
{
	struct world *w = *state;
	struct picky *p = serve(w, 8, 1);
	const uint8_t bytes[30] = { SHORT };
	struct zs_udp_datagram d = { .data = bytes, .len = sizeof(bytes) };

	converses(w, 7);
	says(w, 2, SHORT, 7);
	until_is(w, &p->dropped, 1);
	d.peer = p->knows;
	zs_udp_send(p->udp, &d, 1); /* too soon */
	until_is(w, &w->answers, 3);
	assert_int_equal(last_number(w), 1);
	run(w, PATIENCE + 10 * MS);
	zs_udp_send(p->udp, &d, 1);
	until_is(w, &w->answers, 4);
	assert_int_equal(last_number(w), 2);
	says(w, 2, SHORT, 7);
	until_is(w, &w->answers, 5);
	assert_int_equal(p->dropped, 1);
	assert_int_equal(state_of(w).rebound, 1);
	stop(p);
}

/* Who took the socket has ended: the flow that it was taken from begins anew. */
static void nobody_to_take_from(void **state)
{
	struct world *w = *state;
	struct picky *p = serve(w, 8, 1);

	converses(w, 7);
	run(w, PATIENCE);
	says(w, 2, SHORT, 7);
	run(w, PATIENCE + 10 * MS);
	says(w, 2, SHORT, 7);
	until_is(w, &w->answers, 3);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &(struct zs_tunnel_flow){ 2, DEAD, ZS_TUNNEL_RELAY }, 0,
		   (uint8_t[2]){ 0, 1 }, 2);
	run(w, 10 * MS);
	assert_int_equal(state_of(w).flows, 1);
	says(w, 1, SHORT, 7);
	until_is(w, &p->dropped, 2);
	converses(w, 7);
	assert_int_equal(state_of(w).flows, 1);
	stop(p);
}

/* While its client speaks, nobody else gets its socket. */
static void not_while_it_speaks(void **state)
{
	struct world *w = *state;
	struct picky *p = serve(w, 8, 1);

	converses(w, 7);
	for (uint32_t n = 1; n <= 10; n++) {
		says(w, 2, SHORT, 7);
		until_is(w, &p->dropped, n);
		says(w, 1, SHORT, 7);
		until_is(w, &w->answers, 2 + n);
		assert_int_equal(last_number(w), 1);
		run(w, PATIENCE / 5);
	}
	assert_int_equal(state_of(w).rebound, 0);
	stop(p);
}

/* Who does not name its connection ID does not get it, nor who names one that could be guessed, or what is none. */
static void never(struct world *w, uint8_t cid_len, uint32_t version, uint8_t named, bool follows)
{
	struct picky *p = serve(w, cid_len, version);
	uint32_t had;

	converses(w, 7);
	p->follows = follows;
	had = p->passed;
	for (uint32_t n = 1; n <= 3; n++) {
		says(w, 2, SHORT, named);
		until_is(w, follows ? &p->passed : &p->dropped, follows ? had + n : n);
		run(w, PATIENCE + 10 * MS);
	}
	assert_int_equal(state_of(w).rebound, 0);
	stop(p);
}

static void not_by_another_id(void **state)
{
	never(*state, 8, 1, 8, false);
}

static void not_by_a_short_id(void **state)
{
	never(*state, 7, 1, 7, false);
}

static void not_of_another_protocol(void **state)
{
	never(*state, 8, 0x01020304, 7, false);
}

static void not_where_clients_may_move(void **state)
{
	never(*state, 8, 1, 7, true);
}

/* The client takes other connection IDs in the course of things: the last one counts. */
static void by_the_last_id(void **state)
{
	struct world *w = *state;
	struct picky *p = serve(w, 20, 0x6b3343cf);

	converses(w, 7);
	says(w, 1, SHORT, 9);
	until_is(w, &w->answers, 3);
	for (uint16_t n = 2; n <= 3; n++) {
		says(w, n, SHORT, n == 2 ? 7 : 9);
		run(w, PATIENCE + 10 * MS);
		says(w, n, SHORT, n == 2 ? 7 : 9);
		run(w, 10 * MS);
	}
	assert_int_equal(w->answers, 4);
	assert_int_equal(last_number(w), 3);
	stop(p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(taken_along),	   TEST(not_asked_for),		  TEST(found_by_the_service),
		TEST(nobody_to_take_from), TEST(not_while_it_speaks),	  TEST(not_by_another_id),
		TEST(not_by_a_short_id),   TEST(not_of_another_protocol), TEST(not_where_clients_may_move),
		TEST(by_the_last_id)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
