/* Attach streams between real hosts on loopback: an edge with an attachment is not trimmed and not shut out, a connection has
 * one such stream, and an edge that does not read is sent away. The control plane keeps at most two connections, or has room for
 * one of each network. */
#include <errno.h>
#include "attach/attach.h"
#include "ident.h"
#include "node/node.h"
#include "p2p/frame.h"
#include "peers/peers.h"
#include "rig.h"
#include "shm/state.h"

#define PATIENCE_NS (10 * ZS_NS_PER_S)
#define GRACE_NS    (21 * ZS_NS_PER_S) /* connections younger than 20 s are not trimmed */
#define EDGES	    3

struct plane;

struct edge {
	struct plane *p;
	struct zs_node node;
	struct zs_host_conn *conn;
	struct zs_host_stream *stream; /* the first */
	bool deaf;		       /* gives no credit */
	bool connected, disconnected, ready;
	uint32_t frames, refused_streams;
	struct zs_attach_frame last;
	struct zs_frame frame;
	char why[ZS_HOST_TEXT];
};

struct plane {
	struct rig r;
	struct zs_pulse *pulse;
	struct zs_state state;
	struct edge edge[EDGES];
};

/* --- edges ------------------------------------------------------------------------------------ */

static void on_connected(void *ctx, struct zs_host_conn *conn)
{
	((struct edge *)ctx)->connected = true;
}

static void on_disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	struct edge *e = ctx;

	e->disconnected = true;
	snprintf(e->why, sizeof(e->why), "%s", why->text);
}

static void on_ready(void *user, struct zs_host_stream *s)
{
	((struct edge *)user)->ready = true;
}

static void on_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct edge *e = user;
	struct zs_reader in = zs_reader_of(bytes, len);
	const uint8_t *msg;
	struct zs_span raw;
	size_t n;

	if (e->deaf)
		return;
	zs_host_stream_consume(s, len);
	while (zs_frame_read(&e->frame, &in, &msg, &n) > 0) {
		assert_int_equal(zs_attach_decode(&e->last, msg, n, &raw), 0);
		e->frames++;
	}
}

static void on_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct edge *e = user;

	e->refused_streams += s != e->stream && why->fate == ZS_STREAM_RESET;
}

static const struct zs_stream_ops stream_ops = { .ready = on_ready, .data = on_data, .closed = on_closed };

static void turn(struct plane *p)
{
	assert_true(zs_loop_turn(p->r.c.loop, ZS_NS_PER_MS) >= 0);
}

#define UNTIL(p, what)                                                                                       \
	do {                                                                                                 \
		uint64_t end_ = zs_clock_ns() + PATIENCE_NS;                                                 \
		while (!(what) && zs_clock_ns() < end_)                                                      \
			turn(p);                                                                             \
		if (!(what))                                                                                 \
			fail_msg("not in time: %s", #what);                                                  \
	} while (0)

static void open_stream(struct edge *e)
{
	static const char *const protocols[] = { ZS_ATTACH_PROTOCOL };
	const struct zs_host_open ask = {
		.conn = e->conn, .protocols = protocols, .count = 1, .ops = &stream_ops, .user = e
	};
	struct zs_host_stream *stream;

	e->ready = false;
	assert_int_equal(zs_host_open(e->node.host, &ask, zs_loop_now(e->p->r.c.loop), &stream, NULL), 0);
	if (!e->stream)
		e->stream = stream;
	zs_shell_turn(e->node.shell);
	UNTIL(e->p, e->ready || e->refused_streams);
}

static void say(struct edge *e, const struct zs_attach_frame *f)
{
	uint8_t bytes[ZS_ATTACH_FRAME], out[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(out, sizeof(out));
	struct zs_span raw;
	size_t len = zs_attach_encode(f, bytes, sizeof(bytes), &raw);

	assert_true(len > 0);
	zs_frame_write(&w, bytes, len);
	assert_int_equal(zs_host_stream_write(e->stream, out, zs_writer_len(&w)), zs_writer_len(&w));
	zs_shell_turn(e->node.shell);
}

/* Connected, or refused. */
static void dial(struct plane *p, struct edge *e, uint8_t seed)
{
	static const struct zs_host_ops ops = { .connected = on_connected, .disconnected = on_disconnected };
	const struct zs_host_protocol attach = { .id = ZS_ATTACH_PROTOCOL };
	const struct zs_endpoint any = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_endpoint at = zs_udp_local(zs_peers_socket(p->r.c.peers, 0));
	struct zs_host_config *config = malloc(sizeof(*config));
	uint8_t bytes[32] = { seed, 1 };
	struct zs_identity identity;

	e->p = p;
	zs_frame_init(&e->frame, ZS_ATTACH_FRAME);
	zs_identity_from_seed(&identity, bytes);
	zs_host_defaults(config);
	zs_node_fill(config->quic.secret, sizeof(config->quic.secret));
	assert_int_equal(zs_node_open(&e->node, p->r.c.loop, config, &identity, &ops, NULL, e), 0);
	free(config);
	assert_int_equal(zs_shell_open(e->node.shell, &any, 0, NULL, &p->r.err), 0);
	assert_int_equal(zs_host_register(e->node.host, &attach), 0);
	assert_int_equal(zs_host_dial(e->node.host, &at, NULL, e, zs_loop_now(p->r.c.loop), &e->conn, NULL),
			 0);
	zs_shell_turn(e->node.shell);
	UNTIL(p, e->connected);
}

/* Connected, its attach stream open; nothing said. */
static void begin(struct plane *p, struct edge *e, uint8_t seed)
{
	dial(p, e, seed);
	open_stream(e);
}

/* Gone without a word to anybody but the host. */
static void end(struct edge *e)
{
	zs_node_close(&e->node);
	zs_frame_free(&e->frame);
	*e = (struct edge){ 0 };
}

static void attach(struct edge *e)
{
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_HELLO };

	f.hello = (zs_pb_Hello){ .version = 1, .mode = ZS_ATTACH_MODE_tunnel, .receiver = 1 };
	f.hello.instance.size = ZS_ATTACH_INSTANCE;
	say(e, &f);
	UNTIL(e->p, e->frames == 1);
	assert_int_equal(e->last.kind, ZS_ATTACH_GRANT);
}

/* --- the plane -------------------------------------------------------------------------------- */

static void open_plane(struct plane *p)
{
	struct zs_state_shape shape = { .flow_capacity = 64, .event_capacity = 64, .partitions = 1 };
	struct rig *r = &p->r;
	bool fresh;

	rig_open(r);
	if (zs_state_open_writer(&p->state, r->c.shm_dir, &shape, &fresh, &r->err))
		fail_msg("%s", r->err.text);
	r->c.state = &p->state;
	if (zs_ident_open(&r->c.ident, r->dir, &r->err) || zs_pulse_new(&p->pulse, &r->c, &r->err) ||
	    zs_peers_new(&r->c.peers, &r->c, p->pulse, &r->err))
		fail_msg("%s", r->err.text);
}

static int setup_with(void **state, const char *p2p)
{
	struct plane *p = calloc(1, sizeof(*p));
	char text[256];

	rig_make(&p->r);
	snprintf(text, sizeof(text),
		 "attach: {mode: open, ports: 1024-2047}\nmetrics: {listen: off}\n"
		 "p2p: {listen: ['127.0.0.1:%u'], profile: test, %s}\n",
		 rig_port(), p2p);
	p->r.c.conf = rig_conf(&p->r, text);
	open_plane(p);
	*state = p;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "high: 2, low: 1");
}

static int setup_narrow(void **state)
{
	return setup_with(state, "limits: [{scope: network, conns_in: 1}]");
}

static void close_plane(struct plane *p)
{
	for (int i = 0; i < EDGES; i++)
		end(&p->edge[i]);
	zs_peers_delete(p->r.c.peers);
	p->r.c.peers = NULL;
	zs_pulse_delete(p->pulse);
	zs_ident_close(p->r.c.ident);
	p->r.c.state = NULL;
	zs_state_close(&p->state);
	rig_close(&p->r);
}

static int teardown(void **state)
{
	struct plane *p = *state;
	void *rig = malloc(sizeof(p->r));

	close_plane(p);
	memcpy(rig, &p->r, sizeof(p->r));
	free(p);
	return rig_teardown(&rig);
}

/* The attached one is the worst of three by every other measure: the longest silent, where all have a stream. */
static void an_attached_edge_is_not_trimmed(void **state)
{
	struct plane *p = *state;
	struct edge *attached = &p->edge[0];
	struct zs_host_stats stats;

	begin(p, attached, 1);
	attach(attached);
	begin(p, &p->edge[1], 2);
	begin(p, &p->edge[2], 3);
	zs_host_advance(zs_peers_host(p->r.c.peers), zs_loop_now(p->r.c.loop) + GRACE_NS);
	zs_peers_apply(p->r.c.peers);
	UNTIL(p, p->edge[1].disconnected && p->edge[2].disconnected);
	zs_host_stats(zs_peers_host(p->r.c.peers), &stats);
	assert_int_equal(stats.trimmed, 2);
	assert_false(attached->disconnected);
	say(attached,
	    &(struct zs_attach_frame){ .id = 2, .kind = ZS_ATTACH_PUBLISH, .publish = { .name = "a" } });
	UNTIL(p, attached->frames == 2);
	assert_int_equal(attached->last.kind, ZS_ATTACH_PORT);
}

static void a_second_stream_is_reset(void **state)
{
	struct plane *p = *state;
	struct edge *e = &p->edge[0];

	begin(p, e, 1);
	attach(e);
	open_stream(e);
	UNTIL(p, e->refused_streams == 1);
	say(e, &(struct zs_attach_frame){ .id = 2, .kind = ZS_ATTACH_PUBLISH, .publish = { .name = "a" } });
	UNTIL(p, e->frames == 2); /* the first serves on */
	assert_int_equal(zs_attach_counts(p->r.c.attach)->connections, 1);
}

static void an_edge_that_does_not_read(void **state)
{
	struct plane *p = *state;
	struct edge *e = &p->edge[0], *other = &p->edge[1];

	begin(p, other, 2);
	attach(other);
	begin(p, e, 1);
	attach(e);
	e->deaf = true;
	for (int i = 0; i < 100000 && !e->disconnected; i++) {
		zs_attach_drain(p->r.c.attach, 1000, zs_loop_now(p->r.c.loop)); /* a Notice to each */
		if (i % 64 == 0)
			turn(p);
	}
	UNTIL(p, e->disconnected);
	assert_non_null(strstr(e->why, "the edge does not read what it is sent"));
	assert_false(other->disconnected);
	assert_int_equal(zs_attach_counts(p->r.c.attach)->connections, 1);
	assert_int_equal(zs_attach_counts(p->r.c.attach)->attachments, 2); /* leased */
}

/* The stranger's connection, the network's only one, stands. */
static void fill_network(struct plane *p, struct edge *stranger)
{
	dial(p, stranger, 200);
	end(&p->edge[2]);
	dial(p, &p->edge[2], 201);
	UNTIL(p, p->edge[2].disconnected);
	assert_non_null(strstr(p->edge[2].why, "network"));
}

static void comes_back(struct plane *p, struct edge *owner)
{
	begin(p, owner, 1);
	attach(owner);
	assert_int_equal(zs_attach_counts(p->r.c.attach)->attachments, 1);
	end(owner);
	UNTIL(p, zs_attach_counts(p->r.c.attach)->connections == 0);
}

/* Whoever owns an attachment has a way in through a network that strangers fill: away, after a restart, and until its
 * attachment ends. */
static void an_owner_is_not_shut_out(void **state)
{
	struct plane *p = *state;
	struct edge *owner = &p->edge[0], *stranger = &p->edge[1];
	struct zs_attach_info info;

	comes_back(p, owner);
	fill_network(p, stranger);
	comes_back(p, owner);
	close_plane(p);
	open_plane(p);
	fill_network(p, stranger);
	comes_back(p, owner);
	assert_true(zs_attach_next(p->r.c.attach, 0, zs_loop_now(p->r.c.loop), &info));
	assert_int_equal(zs_attach_kick(p->r.c.attach, info.id, zs_loop_now(p->r.c.loop), &p->r.err), 0);
	dial(p, owner, 1);
	UNTIL(p, owner->disconnected);
	assert_non_null(strstr(owner->why, "network"));
	assert_false(stranger->disconnected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_attached_edge_is_not_trimmed),
		TEST(a_second_stream_is_reset),
		TEST(an_edge_that_does_not_read),
		cmocka_unit_test_setup_teardown(an_owner_is_not_shut_out, setup_narrow, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
