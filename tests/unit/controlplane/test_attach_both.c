/* The edge's client and the relay's server joined, without anything between them: frames and connections by a queue, virtual
 * time, an exporter that both ends of a connection share. */
#include <errno.h>
#include "attach_rig.h"

#include "p2p/attach_client.h"
#include "p2p/frame.h"

#define QUEUE 64

struct both;
/* A connection; its address is the server's link. */
struct pipe_end {
	struct both *b;
	uint32_t link; /* the client's number */
	struct zs_attach_conn *conn;
	bool closed;
};

/* What is on its way: the ops must not call back. */
struct item {
	enum { CONNECT, OPEN, TO_SERVER, TO_CLIENT, CLOSED_BY_CLIENT, CLOSED_BY_SERVER, PROBE } what;
	struct pipe_end *p;
	size_t len;
	uint8_t bytes[ZS_ATTACH_FRAME + ZS_VARINT];
};

struct both {
	struct world *w;
	struct zs_attach_client *c;
	struct pipe_end pipe[QUEUE];
	struct item queue[QUEUE];
	uint32_t first, count, granted, states[ZS_ATTACH_STATES];
	struct zs_attach_session session;
	uint16_t port;
	bool proves;
	char why[ZS_ATTACH_WHY];
};

static void push(struct both *b, int what, struct pipe_end *p, const void *bytes, size_t len)
{
	struct item *i = &b->queue[(b->first + b->count++) % QUEUE];

	assert_true(b->count <= QUEUE && len <= sizeof(i->bytes));
	i->what = what;
	i->p = p;
	i->len = len;
	if (len)
		memcpy(i->bytes, bytes, len);
}

static void c_dial(void *ctx, uint32_t link, const struct zs_attach_target *target)
{
	struct both *b = ctx;

	b->pipe[link] = (struct pipe_end){ .b = b, .link = link };
	push(b, CONNECT, &b->pipe[link], NULL, 0);
}
static void c_open(void *ctx, uint32_t link)
{
	push(ctx, OPEN, &((struct both *)ctx)->pipe[link], NULL, 0);
}
static void c_send(void *ctx, uint32_t link, const void *bytes, size_t len)
{
	push(ctx, TO_SERVER, &((struct both *)ctx)->pipe[link], bytes, len);
}
static void c_close(void *ctx, uint32_t link, const char *why)
{
	push(ctx, CLOSED_BY_CLIENT, &((struct both *)ctx)->pipe[link], NULL, 0);
}
static void c_keep_alive(void *ctx, uint32_t link, uint64_t silence_ns) {}
static void export_of(uint32_t link, const void *context, size_t len, uint8_t out[32])
{
	uint8_t key[16] = { (uint8_t)link };

	crypto_generichash(out, 32, context, len, key, sizeof(key));
}
static void c_export(void *ctx, uint32_t link, const char *label, const void *context, size_t context_len,
		     uint8_t *out, size_t out_len)
{
	export_of(link, context, context_len, out);
}
static void c_event(void *ctx, const struct zs_attach_event *e)
{
	struct both *b = ctx;

	if (e->kind == ZS_ATTACH_EVENT_STATE) {
		b->states[e->state]++;
		snprintf(b->why, sizeof(b->why), "%s", e->why);
	} else if (e->kind == ZS_ATTACH_EVENT_GRANTED) {
		b->granted++;
		b->session = *e->session;
		if (b->proves)
			zs_attach_client_proved(b->c, e->link, b->w->now);
	} else if (e->kind == ZS_ATTACH_EVENT_PORT && !e->port->has_error) {
		b->port = (uint16_t)e->port->port;
	}
}
static const struct zs_attach_client_ops client_ops = { c_dial,	      c_open,	c_send, c_close,
							c_keep_alive, c_export, c_event };

static int s_send(void *ctx, void *link, const void *frame, size_t len)
{
	struct pipe_end *p = link;
	uint8_t out[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(out, sizeof(out));

	zs_frame_write(&w, frame, len);
	push(p->b, TO_CLIENT, p, out, zs_writer_len(&w));
	return 0;
}
static int s_export(void *ctx, void *link, const void *context, size_t len, uint8_t out[32])
{
	export_of(((struct pipe_end *)link)->link, context, len, out);
	return 0;
}
static void s_probe(void *ctx, void *link)
{
	push(((struct pipe_end *)link)->b, PROBE, link, NULL, 0);
}
static void s_close(void *ctx, void *link, const char *why)
{
	push(((struct pipe_end *)link)->b, CLOSED_BY_SERVER, link, why, strlen(why) + 1);
}
static const struct zs_attach_ops server_ops = { s_send, s_export, s_probe, s_close, shell_own };

static void server_gone(struct pipe_end *p)
{
	if (p->conn)
		zs_attach_closed(p->b->w->s, p->conn, p->b->w->now);
	p->conn = NULL;
	p->closed = true;
}

static void to_server(struct pipe_end *p, const struct item *i)
{
	struct zs_reader in = zs_reader_of(i->bytes, i->len);
	size_t len = (size_t)zs_varint_read(&in);

	assert_int_equal(len, zs_reader_left(&in));
	if (p->conn)
		zs_attach_receive(p->b->w->s, p->conn, in.at, len, p->b->w->now);
}

static void deliver(struct both *b, const struct item *i)
{
	struct zs_peer_id relay = peer_of(99), edge = peer_of(1);
	struct zs_attach_peer peer = { .id = edge,
				       .remote = { zs_addr_from4(htobe32(0xc0000201)), 4000 },
				       .group = "X25519KYBER",
				       .hybrid = true,
				       .link = i->p };
	struct pipe_end *p = i->p;

	switch (i->what) {
	case CONNECT:
		zs_attach_client_connected(b->c, p->link, &relay, "X25519KYBER", b->w->now);
		break;
	case OPEN:
		p->conn = zs_attach_opened(b->w->s, &peer, b->w->now);
		zs_attach_client_opened(b->c, p->link, b->w->now);
		break;
	case TO_SERVER:
		to_server(p, i);
		break;
	case TO_CLIENT:
		zs_attach_client_bytes(b->c, p->link, i->bytes, i->len, b->w->now);
		break;
	case CLOSED_BY_CLIENT:
		server_gone(p);
		break;
	case CLOSED_BY_SERVER:
		server_gone(p);
		zs_attach_client_closed(b->c, p->link, ZS_ATTACH_STATE_error, (const char *)i->bytes,
					b->w->now);
		break;
	case PROBE:
		if (p->conn)
			zs_attach_alive(b->w->s, p->conn, b->w->now);
		break;
	}
	walk(b->w);
	zs_attach_client_check(b->c);
}

static void settle(struct both *b)
{
	while (b->count) {
		struct item i = b->queue[b->first];
		b->first = (b->first + 1) % QUEUE;
		b->count--;
		deliver(b, &i);
	}
}

/* Time passes at both ends. */
static void go(struct both *b, uint64_t ns)
{
	uint64_t end = b->w->now + ns, due;

	settle(b);
	while ((due = zs_attach_client_deadline(b->c)) <= end) {
		pass(b->w, due > b->w->now ? due - b->w->now : 0);
		zs_attach_client_advance(b->c, b->w->now);
		settle(b);
	}
	pass(b->w, end - b->w->now);
	settle(b);
}

static void serve_again(struct both *b)
{
	b->w->owners = 0;
	zs_attach_serve(b->w->s, &server_ops, b->w);
}

static void client_new(struct both *b)
{
	static const struct zs_attach_publish web = { .name = "web" };
	struct zs_attach_client_config config = {
		.home.at = { .host = ZS_DIAL_IP, .port = 4001, .peer = peer_of(99) },
		.mode = ZS_ATTACH_MODE_tunnel,
		.publish = &web,
		.publishes = 1,
		.random = { world_fill, b->w }
	};

	world_fill(b->w, config.instance, sizeof(config.instance));
	assert_int_equal(zs_attach_client_new(&b->c, &config, &client_ops, b), 0);
}

static int setup(void **state)
{
	struct both *b = calloc(1, sizeof(*b));
	void *w;

	assert_int_equal(world_setup(&w), 0);
	b->w = w;
	b->proves = true;
	serve_again(b);
	client_new(b);
	zs_attach_client_start(b->c, b->w->now);
	go(b, ZS_NS_PER_S);
	if (zs_attach_client_state(b->c) != ZS_ATTACH_STATE_active)
		fail_msg("%s", b->why);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct both *b = *state;
	void *w = b->w;

	zs_attach_client_delete(b->c);
	free(b);
	return world_teardown(&w);
}

static void assert_same_keys(struct both *b)
{
	struct zs_session v;

	assert_true(session_of(b->w, b->session.receiver, &v));
	assert_memory_equal(v.root, b->session.root, sizeof(v.root));
	assert_int_equal(v.peer, b->session.own_receiver);
	assert_int_equal(v.attachment, b->session.attachment);
}

static void attached_with_the_relays_keys(void **state)
{
	struct both *b = *state;

	assert_int_equal(b->session.continuity, ZS_ATTACH_CONTINUITY_fresh);
	assert_same_keys(b);
	assert_int_equal(holder(b->w, b->port), b->session.attachment);
}

/* A day of hourly sessions: never anything but active, one attachment, one port, at most two sessions. */
static void a_day(void **state)
{
	struct both *b = *state;
	struct zs_attach_session first = b->session;

	for (int hour = 0; hour < 24; hour++) {
		go(b, 3600 * ZS_NS_PER_S);
		assert_in_range(zs_attach_counts(b->w->s)->sessions, 1, 2);
	}
	assert_true(b->granted > 24);
	assert_int_equal(b->states[ZS_ATTACH_STATE_active], 1);
	assert_int_equal(b->states[ZS_ATTACH_STATE_lost], 0);
	assert_int_equal(b->session.attachment, first.attachment);
	assert_int_equal(b->session.generation, first.generation);
	assert_int_equal(b->session.continuity, ZS_ATTACH_CONTINUITY_resumed);
	assert_same_keys(b);
}

static void cut_off(struct both *b)
{
	for (int i = 0; i < QUEUE; i++)
		if (b->pipe[i].link && !b->pipe[i].closed) {
			b->pipe[i].conn = NULL;
			b->pipe[i].closed = true;
			zs_attach_client_closed(b->c, b->pipe[i].link, ZS_ATTACH_STATE_error, "reset",
						b->w->now);
		}
	b->count = 0;
}

static void the_relay_restarts(void **state)
{
	struct both *b = *state;
	struct zs_attach_session first = b->session;
	uint16_t port = b->port;

	world_restart(b->w);
	serve_again(b);
	cut_off(b);
	assert_int_equal(zs_attach_client_state(b->c), ZS_ATTACH_STATE_lost);
	go(b, first.spread_ns);
	assert_int_equal(zs_attach_client_state(b->c), ZS_ATTACH_STATE_active);
	assert_int_equal(b->session.continuity, ZS_ATTACH_CONTINUITY_resumed);
	assert_int_equal(b->session.attachment, first.attachment);
	assert_int_equal(b->session.generation, first.generation);
	assert_int_equal(b->port, port);
	assert_same_keys(b);
}

static void the_store_is_lost(void **state)
{
	struct both *b = *state;

	world_close(b->w);
	world_wipe_store(b->w);
	world_open(b->w);
	serve_again(b);
	cut_off(b);
	go(b, 120 * ZS_NS_PER_S);
	if (zs_attach_client_state(b->c) != ZS_ATTACH_STATE_active)
		fail_msg("%s", b->why);
	assert_same_keys(b);
}

static void the_dataplanes_state_is_lost(void **state)
{
	struct both *b = *state;
	uint8_t root[ZS_ATTACH_SECRET];

	memcpy(root, b->session.root, sizeof(root));
	zs_attach_state(b->w->s, INCARNATION + 1, b->w->now);
	go(b, b->session.spread_ns + ZS_NS_PER_S);
	assert_int_equal(zs_attach_client_state(b->c), ZS_ATTACH_STATE_active);
	assert_memory_not_equal(b->session.root, root, sizeof(root));
	assert_same_keys(b);
}

static void detached_and_denied(void **state)
{
	struct both *b = *state;

	zs_attach_client_detach(b->c, b->w->now);
	go(b, 2 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_client_state(b->c), ZS_ATTACH_STATE_disconnected);
	assert_int_equal(zs_attach_counts(b->w->s)->sessions, 0);
	assert_int_equal(holder(b->w, b->port), b->session.attachment); /* leased */
	zs_attach_client_delete(b->c);
	world_conf(b->w, "{mode: allow}");
	client_new(b);
	zs_attach_client_start(b->c, b->w->now);
	settle(b);
	assert_int_equal(zs_attach_client_state(b->c), ZS_ATTACH_STATE_failed);
	assert_non_null(strstr(b->why, "refused (denied)"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(attached_with_the_relays_keys),
		TEST(a_day),
		TEST(the_relay_restarts),
		TEST(the_store_is_lost),
		TEST(the_dataplanes_state_is_lost),
		TEST(detached_and_denied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
