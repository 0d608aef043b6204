/* What peers say of themselves is believed as far as the connection or a signature proves it: a host whose
 * identify is written by hand, and what another makes of it. */
#include "p2p/frame.h"
#include "unit/p2p/host_net.h"

#define ID "/ipfs/id/1.0.0"

static uint8_t said[65536]; /* what the liar answers, framed */
static size_t said_len;

static void say_ready(void *user, struct zs_host_stream *s)
{
	zs_host_stream_write(s, said, said_len);
	zs_host_stream_fin(s);
}
static void say_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	zs_host_stream_consume(s, len);
}
static void say_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct node *n = user;
	n->closed += why->fate == ZS_STREAM_RESET;
}
static const struct zs_stream_ops say_ops = { .ready = say_ready, .data = say_data, .closed = say_closed };

static void put(const void *message, size_t len)
{
	struct zs_writer w = zs_writer_of(said + said_len, sizeof(said) - said_len);

	zs_frame_write(&w, message, len);
	assert_false(w.failed);
	said_len += zs_writer_len(&w);
}

static void say(const struct zs_identify_own *own)
{
	uint8_t message[ZS_IDENTIFY_OWN];
	size_t len = zs_identify_encode(own, message, sizeof(message));

	assert_true(len > 0);
	put(message, len);
}

/* A host and a liar, who is about to be asked. */
static struct net *net_liar(void)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *liar = net_node(net);

	node_bind(a);
	node_bind(liar);
	zs_host_unregister(liar->host, ID);
	assert_int_equal(
	    zs_host_register(liar->host,
			     &(struct zs_host_protocol){ .id = ID, .ops = &say_ops, .user = liar }),
	    0);
	said_len = 0;
	return net;
}

static const struct zs_peer_info *hear(struct net *net)
{
	struct node *a = &net->node[0], *liar = &net->node[1];

	node_dial(liar, a);
	net_run(net, 1000 * MS);
	assert_int_equal(a->connected, 1);
	return zs_peerstore_get(zs_host_peerstore(a->host), &liar->id, node_now(a));
}

static struct zs_multiaddr address(const char *text)
{
	struct zs_multiaddr out;

	assert_int_equal(zs_multiaddr_parse(&out, text), 0);
	return out;
}

static void only_ordinary_addresses_are_kept(void **state)
{
	struct net *net = net_liar();
	const struct zs_multiaddr addrs[] = {
		address("/ip4/10.0.0.1/udp/4001/quic-v1"),
		address("/ip4/127.0.0.1/udp/4001/quic-v1"),
		address("/ip4/169.254.169.254/udp/80/quic-v1"),
		address("/ip6/fe80::1/udp/4001/quic-v1"),
		address("/ip4/9.1.7.1/udp/4001/quic-v1"), /* the host's own */
		address("/ip4/9.9.9.9/tcp/4001"),
		address("/dns4/example.org/udp/4001/quic-v1"),
		address("/ip4/9.9.9.9/udp/4001/quic-v1"),
	};

	say(&(struct zs_identify_own){ .addrs = addrs, .addrs_n = ZS_ARRAY_LEN(addrs), .agent = "a\nb" });
	const struct zs_peer_info *info = hear(net);
	assert_non_null(info);
	assert_int_equal(info->addresses, 1);
	assert_memory_equal(info->address[0].bytes, addrs[7].bytes, addrs[7].len);
	assert_string_equal(info->agent, ""); /* what a terminal cannot show is left out */
	assert_int_equal(net->node[0].identified, 1);
	net_free(net);
}

static void another_key_is_not_believed(void **state)
{
	struct net *net = net_liar();
	const struct zs_multiaddr addr = address("/ip4/9.9.9.9/udp/4001/quic-v1");
	struct zs_public_key key = zs_identity_public(&net->node[0].identity);

	say(&(struct zs_identify_own){ .key = &key, .addrs = &addr, .addrs_n = 1, .agent = "x" });
	assert_null(hear(net));
	assert_int_equal(net->node[0].identified, 0);
	net_free(net);
}

/* A record counts alone when it is the peer's; anybody else's, or a broken one, is as none. */
static void records_are_verified(void **state)
{
	const struct zs_multiaddr mine = address("/ip4/9.9.9.9/udp/4001/quic-v1"),
				  listed = address("/ip4/9.8.8.8/udp/4001/quic-v1");

	for (int kind = 0; kind < 3; kind++) {
		struct net *net = net_liar();
		uint8_t record[512];
		struct zs_identity *signer = &net->node[kind == 1 ? 0 : 1].identity;
		size_t len = zs_peer_record_seal(signer, 7, &mine, 1, record, sizeof(record));
		record[len - 1] ^= kind == 2;
		say(&(struct zs_identify_own){
		    .addrs = &listed, .addrs_n = 1, .agent = "x", .record = { record, len } });
		const struct zs_peer_info *info = hear(net);
		assert_non_null(info);
		assert_int_equal(info->addresses, 1);
		assert_int_equal(info->address[0].certified, kind == 0);
		assert_int_equal(info->envelope_len, kind == 0 ? len : 0);
		const struct zs_multiaddr *kept = kind == 0 ? &mine : &listed;
		assert_memory_equal(info->address[0].bytes, kept->bytes, kept->len);
		net_free(net);
	}
}

static void messages_are_merged_and_bounded(void **state)
{
	const struct zs_multiaddr addr = address("/ip4/9.9.9.9/udp/4001/quic-v1");
	static const uint8_t endless[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static uint8_t long_one[ZS_IDENTIFY_MESSAGE + 1];

	for (int kind = 0; kind < 5; kind++) {
		struct net *net = net_liar();
		for (int i = 0; i < (kind == 1 ? 11 : 2); i++)
			say(&(struct zs_identify_own){
			    .addrs = &addr, .addrs_n = 1, .agent = i ? "last" : "first" });
		if (kind == 2)
			put(long_one, sizeof(long_one));
		if (kind == 3)
			said_len--; /* cut */
		if (kind == 4) {
			memcpy(said + said_len, endless, sizeof(endless));
			said_len += sizeof(endless);
		}
		const struct zs_peer_info *info = hear(net);
		assert_int_equal(net->node[0].identified, kind == 0);
		if (kind == 0)
			assert_string_equal(info->agent, "last");
		else
			assert_null(info);
		assert_int_equal(net->node[0].disconnected, 0);
		net_free(net);
	}
}

/* Slow-loris: an identify that never ends is given up after its time, as is a stream that names no protocol. */
static void nobody_may_take_forever(void **state)
{
	struct net *net = net_liar();
	struct node *a = &net->node[0], *liar = &net->node[1];
	struct zs_host_stats stats;

	zs_host_unregister(liar->host, ID);
	assert_int_equal(
	    zs_host_register(liar->host,
			     &(struct zs_host_protocol){ .id = ID, .ops = &hold_ops, .user = liar }),
	    0);
	node_dial(liar, a);
	net_run(net, 4000 * MS);
	zs_host_stats(a->host, &stats);
	assert_int_equal(stats.streams, 1);
	net_run(net, 3000 * MS);
	assert_int_equal(liar->closed, 1);
	zs_host_stats(a->host, &stats);
	assert_int_equal(stats.streams, 0);
	assert_int_equal(a->identified, 0);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_ordinary_addresses_are_kept),
		cmocka_unit_test(another_key_is_not_believed),
		cmocka_unit_test(records_are_verified),
		cmocka_unit_test(messages_are_merged_and_bounded),
		cmocka_unit_test(nobody_may_take_forever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
