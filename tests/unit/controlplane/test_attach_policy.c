/* Who may attach and how much: every refusal by its name, ports, policies that change, rules by command. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include "attach_rig.h"

static void write_file(const struct world *w, const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->r.dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static const char *peer_name(uint8_t seed, char buf[ZS_PEER_ID_TEXT])
{
	struct zs_peer_id id = peer_of(seed);

	return zs_peer_id_format(&id, buf);
}

static void test_allow_list(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_attach_rule rule = { .peer = peer_of(2), .name = "two" };
	char text[256], id[ZS_PEER_ID_TEXT];
	struct edge e;

	assert_int_equal(outcome(w, 1, &f, false), 0); /* open: everybody */
	snprintf(text, sizeof(text), "{mode: allow, allow: [{peer: %s, name: one}]}", peer_name(1, id));
	world_conf(w, text);
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(outcome(w, 2, &f, false), ZS_ATTACH_ERROR_denied);
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	world_restart(w);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	edge_open(w, &e, 2);
	edge_send(&e, &f);
	granted(&e, ZS_ATTACH_CONTINUITY_known);
	rule.denied = true;
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
	walk(w);
	refused(&e, ZS_ATTACH_ERROR_denied);
	assert_true(e.gone);
	edge_close(&e);
	assert_int_equal(zs_attach_find(w->s, &rule.peer), 0); /* nothing of it is left */
	world_conf(w, "{mode: open}");
	assert_int_equal(outcome(w, 2, &f, false), ZS_ATTACH_ERROR_denied);
	world_restart(w);
	assert_int_equal(outcome(w, 2, &f, false), ZS_ATTACH_ERROR_denied);
	world_conf(w, "{mode: allow}"); /* who is on no list any more is ended */
	assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
}

static void test_tokens(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	char text[256], id[ZS_PEER_ID_TEXT];
	static const char *const no_tokens[] = {
		"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n",
		"{\"n\":1,\"time\":\"2026-01-01\"}\n",
	};

	/* SHA-256 of "a token that was hashed" */
	uint8_t hash[32];
	char hex[65], file[256];
	crypto_hash_sha256(hash, (const uint8_t *)"a token that was hashed", 23);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	snprintf(file, sizeof(file), "# tokens\n\nsixteen-letters-\r\nsha256:%s\n", hex);
	write_file(w, "tokens", file, 0600);
	snprintf(text, sizeof(text), "{mode: token, token_file: %s/tokens, allow: [{peer: %s}]}", w->r.dir,
		 peer_name(7, id));
	world_conf(w, text);
	assert_false(rig_raised(&w->r, ZS_HEALTH_attach_secrets));
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_token);
	assert_int_equal(outcome(w, 7, &f, false), 0); /* listed: needs none */
	f.hello.token.size = 16;
	memcpy(f.hello.token.bytes, "sixteen-letters+", 16);
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_token);
	memcpy(f.hello.token.bytes, "sixteen-letters-", 16);
	assert_int_equal(outcome(w, 1, &f, false), 0);
	f.hello.token.size = 23;
	memcpy(f.hello.token.bytes, "a token that was hashed", 23);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	/* A file that others may read, or with a weak token, is not taken: those of before hold. */
	write_file(w, "tokens", "another-token-of-ours\n", 0640);
	world_conf(w, text);
	assert_true(rig_raised(&w->r, ZS_HEALTH_attach_secrets));
	assert_int_equal(outcome(w, 3, &f, false), 0);
	/* … nor a file that is none, whose lines anybody knows */
	for (size_t i = 0; i < ZS_ARRAY_LEN(no_tokens); i++) {
		write_file(w, "tokens", "sixteen-letters-\n", 0600);
		world_conf(w, text);
		assert_false(rig_raised(&w->r, ZS_HEALTH_attach_secrets));
		write_file(w, "tokens", no_tokens[i], 0600);
		world_conf(w, text);
		assert_true(rig_raised(&w->r, ZS_HEALTH_attach_secrets));
	}
	write_file(w, "tokens", "short\n", 0600);
	world_conf(w, text);
	assert_true(rig_raised(&w->r, ZS_HEALTH_attach_secrets));
	write_file(w, "tokens", "another-token-of-ours\n", 0600);
	world_conf(w, text);
	assert_false(rig_raised(&w->r, ZS_HEALTH_attach_secrets));
	assert_int_equal(outcome(w, 4, &f, false), ZS_ATTACH_ERROR_token);
	assert_int_equal(outcome(w, 1, &f, false),
			 ZS_ATTACH_ERROR_token); /* a token holds as long as it is listed */
}

#define PSK "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_psk(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_session v;
	char text[256];
	uint8_t key[32], root[32];
	struct edge e;

	write_file(w, "psks", "lab " PSK "\n", 0600);
	snprintf(text, sizeof(text), "{mode: open, psk_file: %s/psks}", w->r.dir);
	world_conf(w, text);
	assert_int_equal(outcome(w, 1, &f, false), 0); /* offered, not required */
	f.hello.psk_id.size = 3;
	memcpy(f.hello.psk_id.bytes, "lax", 3);
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_psk);
	memcpy(f.hello.psk_id.bytes, "lab", 3);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	assert_true(session_of(w, granted(&e, ZS_ATTACH_CONTINUITY_known).receiver, &v));
	sodium_hex2bin(key, sizeof(key), PSK, 64, NULL, NULL, NULL);
	edge_root(&e, key, root);
	assert_memory_equal(v.root, root, sizeof(root));
	edge_root(&e, NULL, root);
	assert_memory_not_equal(v.root, root, sizeof(root));
	edge_close(&e);
	snprintf(text, sizeof(text), "{mode: open, psk: required, psk_file: %s/psks}", w->r.dir);
	world_conf(w, text);
	assert_int_equal(outcome(w, 1, &f, false), 0);
	f.hello.psk_id.size = 0;
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_psk);
}

static void test_named_refusals(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1), bad;
	struct edge e, e2;
	zs_pb_Grant g;

	world_conf(w, "{mode: open, pq: required}");
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_pq_required);
	assert_int_equal(outcome(w, 1, &f, true), 0);
	bad = f;
	bad.hello.version = 2;
	edge_open(w, &e, 2);
	edge_send(&e, &bad);
	assert_int_equal(refused(&e, ZS_ATTACH_ERROR_version)->limit, ZS_ATTACH_VERSION);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	edge_send(&e, &f);
	refused(&e, ZS_ATTACH_ERROR_second_hello);
	edge_send(
	    &e, &(struct zs_attach_frame){ .id = 4, .kind = ZS_ATTACH_PUBLISH, .publish = { .name = "a" } });
	assert_false(last(&e, ZS_ATTACH_PORT)->port.has_error); /* the session lives on */
	bad = (struct zs_attach_frame){ .id = 6, .kind = ZS_ATTACH_CID_ASK, .cid_ask = { .count = 8 } };
	bad.cid_ask.peer.size = peer_of(77).len; /* nobody's here */
	memcpy(bad.cid_ask.peer.bytes, peer_of(77).bytes, bad.cid_ask.peer.size);
	edge_send(&e, &bad);
	refused(&e, ZS_ATTACH_ERROR_no_cid);
	assert_int_equal(last(&e, ZS_ATTACH_ERROR)->id, 6);
	bad = f; /* another identity's Resume */
	add_resume(&bad, &g, e.grant_hash);
	assert_int_equal(outcome(w, 3, &bad, true), ZS_ATTACH_ERROR_not_owner);
	assert_int_equal(outcome(w, 1, &bad, true), ZS_ATTACH_ERROR_not_owner);
	bad = f;
	bad.hello.mode = ZS_ATTACH_MODE_socket, bad.hello.receiver = 0;
	add_publish(&bad, "web", 0);
	assert_int_equal(outcome(w, 3, &bad, true), ZS_ATTACH_ERROR_malformed);
	edge_open(w, &e2, 4); /* before Hello */
	edge_send(
	    &e2, &(struct zs_attach_frame){ .id = 4, .kind = ZS_ATTACH_PUBLISH, .publish = { .name = "a" } });
	refused(&e2, ZS_ATTACH_ERROR_malformed);
	for (int i = 1; i < ZS_ATTACH_FAULTS; i++) {
		assert_false(e2.gone);
		zs_attach_receive(w->s, e2.conn, "\x12\x00", 2, w->now);
		refused(&e2, ZS_ATTACH_ERROR_malformed);
	}
	assert_true(e2.gone);
	zs_attach_receive(w->s, e2.conn, "\x12\x00", 2, w->now); /* nothing is answered any more */
	edge_close(&e2);
	edge_open(w, &e2, 4);
	pass(w, 10 * ZS_NS_PER_S); /* who says nothing is sent away */
	assert_true(e2.gone);
	edge_close(&e2);
	assert_false(e.gone);
	edge_close(&e);
}

static zs_pb_Port *publish(struct edge *e, const char *name, uint32_t port, bool withdraw)
{
	struct zs_attach_frame f = { .id = 9,
				     .kind = ZS_ATTACH_PUBLISH,
				     .publish = { .port = port, .withdraw = withdraw } };

	snprintf(f.publish.name, sizeof(f.publish.name), "%s", name);
	edge_send(e, &f);
	assert_int_equal(last(e, ZS_ATTACH_PORT)->id, 9);
	return &last(e, ZS_ATTACH_PORT)->port;
}

static void assert_port_error(const zs_pb_Port *p, uint32_t code)
{
	assert_true(p->has_error);
	assert_int_equal(p->error.code, code);
}

static void test_ports(void **state)
{
	struct world *w = *state;
	struct zs_publication pub = { .port = 10099, .target = { zs_addr_from4(htobe32(0x08080808)), 443 } };
	struct zs_attach_frame f = a_hello(1);
	struct edge e1, e2;
	zs_pb_Grant g;
	zs_pb_Port p;

	world_conf(w, "{mode: open, ports_each: 3, ports: 10000-10200, announce: [203.0.113.7]}");
	assert_int_equal(zs_program_publish(w->r.c.program, &pub, NULL), 0);
	add_publish(&f, "web", 0);
	add_publish(&f, "taken", 10099);
	add_publish(&f, "low", 443);
	edge_open(w, &e1, 1);
	edge_send(&e1, &f);
	g = granted(&e1, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g.ports_count, 3);
	assert_false(g.ports[0].has_error); /* what there is comes first */
	assert_in_range(g.ports[0].port, 10000, 10200);
	assert_int_equal(g.ports[0].announce_count, 1);
	assert_int_equal(g.ports[0].announce[0].bytes[15], 7);
	assert_int_equal(holder(w, (uint16_t)g.ports[0].port), g.attachment);
	assert_port_error(&g.ports[1], ZS_ATTACH_ERROR_port_taken);
	assert_port_error(&g.ports[2], ZS_ATTACH_ERROR_denied);
	assert_string_equal(g.ports[2].error.text, "the relay grants ports 10000 to 10200");

	p = *publish(&e1, "game", 10042, false);
	assert_int_equal(p.port, 10042);
	assert_int_not_equal(p.service, g.ports[0].service);
	assert_int_equal(publish(&e1, "game", 0, false)->port, 10042); /* again: the same */
	assert_port_error(publish(&e1, "game", 10043, false), ZS_ATTACH_ERROR_denied);
	assert_port_error(publish(&e1, "twin", 10042, false), ZS_ATTACH_ERROR_port_taken);
	edge_open(w, &e2, 2);
	edge_send(&e2,
		  &(struct zs_attach_frame){ .id = 1, .kind = ZS_ATTACH_HELLO, .hello = a_hello(1).hello });
	assert_port_error(publish(&e2, "game", 10042, false), ZS_ATTACH_ERROR_port_taken);
	assert_int_equal(publish(&e1, "third", 0, false)->has_error, false);
	p = *publish(&e1, "fourth", 0, false);
	assert_port_error(&p, ZS_ATTACH_ERROR_quota);
	assert_int_equal(p.error.limit, 3);
	assert_int_equal(publish(&e1, "game", 0, true)->has_error, false);
	assert_int_equal(holder(w, 10042), 0);
	assert_port_error(publish(&e1, "game", 0, true), ZS_ATTACH_ERROR_not_published);
	assert_int_equal(publish(&e2, "game", 10042, false)->port, 10042);
	assert_int_equal(zs_program_publish(w->r.c.program,
					    &(struct zs_publication){ .port = 10042, .target = pub.target },
					    NULL),
			 -EEXIST);
	assert_int_equal(zs_program_unpublish(w->r.c.program, 10042, NULL), -EPERM);
	edge_free(&e1);
	edge_free(&e2);
	world_restart(w);
	edge_open(w, &e1, 1);
	edge_send(&e1,
		  &(struct zs_attach_frame){ .id = 1, .kind = ZS_ATTACH_HELLO, .hello = a_hello(1).hello });
	assert_int_equal(granted(&e1, ZS_ATTACH_CONTINUITY_known).ports_count, 2);
	edge_close(&e1);
}

/* A disk that is full: nothing is granted that would not be there after a crash. */
static void test_full_disk(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct rlimit was, none = { 0, RLIM_INFINITY };
	struct edge e, other;
	zs_pb_Grant g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	zs_pb_Error *why;
	zs_pb_Port *p;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	edge_send(&e, &(struct zs_attach_frame){
			  .id = 9, .kind = ZS_ATTACH_PUBLISH, .publish = { .name = "a", .port = 10007 } });
	refused(&e, ZS_ATTACH_ERROR_internal);
	assert_int_equal(holder(w, 10007), 0);
	edge_open(w, &other, 2);
	edge_send(&other, &f);
	why = refused(&other, ZS_ATTACH_ERROR_internal); /* it is full of nothing */
	assert_true(!why->scope[0] && !why->current && !why->limit);
	edge_close(&other);
	add_publish(&f, "b", 10008);
	assert_int_equal(outcome(w, 2, &f, false), ZS_ATTACH_ERROR_internal);
	assert_int_equal(holder(w, 10008), 0);
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_internal);
	assert_int_equal(holder(w, 10008), 0);
	assert_true(rig_raised(&w->r, ZS_HEALTH_store_failed));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	p = publish(&e, "a", 10007, false);
	assert_false(p->has_error);
	assert_int_equal(holder(w, 10007), g.attachment);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	edge_close(&e);
}

static void test_policy_changes(void **state)
{
	struct world *w = *state;
	struct zs_attach_rule rule = { .peer = peer_of(1), .policy = "gold", .tenant = "t" };
	struct zs_sessions r;
	struct zs_attachment a;
	struct edge e;
	zs_pb_Policy p;
	zs_pb_Grant g;

	world_conf(w, "{mode: open, policy: tin, policies: [{name: tin, mbit_s: 5}, {name: gold, pkt_s: 9}], "
		      "tenants: [{name: t}]}");
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g.policy.bit_s, 5000000);
	assert_int_not_equal(g.policy.serial, 0);
	world_conf(w, "{mode: open, policy: tin, policies: [{name: tin, mbit_s: 6}, {name: gold, pkt_s: 9}], "
		      "tenants: [{name: t}]}");
	p = last(&e, ZS_ATTACH_POLICY)->policy;
	assert_int_equal(p.bit_s, 6000000);
	assert_true(p.serial > g.policy.serial);
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
	assert_true(last(&e, ZS_ATTACH_POLICY)->policy.serial > p.serial);
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.pkt_s, 9);
	assert_int_equal(zs_sessions_open_reader(&r, w->r.c.shm_dir, NULL), 0);
	assert_true(zs_sessions_attachment(&r, g.attachment, &a));
	assert_int_equal(a.police.packet_quantum, 1); /* 9 packets/s */
	assert_int_equal(a.police.quantum, 0);
	assert_int_equal(a.tenant, 1);
	zs_sessions_close(&r);
	rule.peer = peer_of(9); /* another's: nothing is said */
	p = last(&e, ZS_ATTACH_POLICY)->policy;
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.serial, p.serial);
	strcpy(rule.policy, "silver");
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), -ENOENT);
	strcpy(rule.policy, "gold");
	strcpy(rule.tenant, "u");
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), -ENOENT);
	edge_close(&e);
}

static void test_drain(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	char text[256], id[ZS_PEER_ID_TEXT];
	struct edge e, e2;
	struct zs_session v;
	zs_pb_Grant g;
	zs_pb_Notice n;

	snprintf(text, sizeof(text), "{mode: open, alternatives: [/ip4/192.0.2.1/udp/4001/quic-v1/p2p/%s]}",
		 peer_name(9, id));
	world_conf(w, text);
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	zs_attach_drain(w->s, 30000, w->now);
	n = last(&e, ZS_ATTACH_NOTICE)->notice;
	assert_int_equal(n.code, ZS_ATTACH_NOTICE_drain);
	assert_int_equal(n.in_ms, 30000);
	assert_int_equal(n.alternatives_count, 1);
	edge_open(w, &e2, 2);
	edge_send(&e2, &f);
	assert_int_equal(e2.frame[0]->error.code, ZS_ATTACH_ERROR_drain);
	assert_int_equal(last(&e2, ZS_ATTACH_NOTICE)->notice.alternatives_count, 1);
	edge_close(&e2);
	zs_attach_drained(w->s, w->now);
	assert_int_equal(last(&e, ZS_ATTACH_DETACH)->detach.reason, ZS_ATTACH_CLOSE_drain);
	assert_true(e.gone);
	assert_false(session_of(w, g.receiver, &v));
	edge_close(&e);
	zs_attach_undrain(w->s); /* within the lease: who it was */
	assert_int_equal(attach(w, &e, 1, ZS_ATTACH_CONTINUITY_known).attachment, g.attachment);
	edge_close(&e);
}

static uint32_t sessions_after(struct world *w, uint64_t ns)
{
	uint64_t end = zs_clock_ns() + ns;

	while (zs_clock_ns() < end && w->r.c.drain.state == ZS_DRAINING)
		assert_int_equal(zs_loop_turn(w->r.c.loop, 10 * ZS_NS_PER_MS), 0);
	return zs_attach_counts(w->s)->sessions;
}

/* Edges cannot connect again while the relay drains, but their sessions have the time that they were told. */
static void test_drain_over_a_restart(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_control *c = &w->r.c;
	struct edge e;

	f.hello.mode = ZS_ATTACH_MODE_socket;
	f.hello.receiver = 0;
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(zs_drain_begin(c, 3600, &w->r.err), 0);
	edge_free(&e);
	world_restart(w);
	assert_int_equal(zs_drain_resume(c, &w->r.err), 0);
	assert_int_equal(sessions_after(w, 600 * ZS_NS_PER_MS), 1);
	assert_int_equal(c->drain.state, ZS_DRAINING);
	assert_int_equal(zs_drain_begin(c, 1, &w->r.err), 0); /* the time that is told now */
	assert_int_equal(sessions_after(w, 500 * ZS_NS_PER_MS), 1);
	assert_int_equal(sessions_after(w, 5 * ZS_NS_PER_S), 0);
	assert_int_equal(c->drain.state, ZS_DRAINED);
	assert_int_equal(zs_drain_lift(c, &w->r.err), 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	granted(&e, ZS_ATTACH_CONTINUITY_known);
	edge_close(&e); /* it has moved: its session here is not waited for by the process that begins */
	assert_int_equal(zs_drain_begin(c, 3600, &w->r.err), 0);
	assert_int_equal(sessions_after(w, 5 * ZS_NS_PER_S), 0);
	assert_int_equal(c->drain.state, ZS_DRAINED);
}

static void test_detach(void **state)
{
	struct world *w = *state;
	struct zs_session v;
	struct edge e;
	zs_pb_Grant g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh), again;

	edge_send(&e, &(struct zs_attach_frame){ .kind = ZS_ATTACH_DETACH,
						 .detach = { .reason = ZS_ATTACH_CLOSE_shutdown } });
	assert_true(e.gone);
	assert_false(session_of(w, g.receiver, &v));
	edge_close(&e);
	again = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_known); /* within the lease: who it was */
	assert_int_equal(again.attachment, g.attachment);
	edge_close(&e);
}

/* A connection that takes no frames costs nobody else anything. */
static void test_deaf(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct edge e;

	edge_open(w, &e, 1);
	e.deaf = true;
	edge_send(&e, &f);
	assert_true(e.gone);
	edge_close(&e);
	attach(w, &e, 1, ZS_ATTACH_CONTINUITY_known);
	e.deaf = true;
	zs_attach_broken(w->s, e.conn, w->now);
	assert_true(e.gone);
	edge_close(&e);
}

static void test_conf_check(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *attach, *text;
	} rows[] = {
		{ "{allow: [{peer: 12D3KooWnonsense}]}", "no peer id" },
		{ "{alternatives: [/ip4/192.0.2.1/udp/4001/quic-v1]}", "no address of a relay" },
		{ "{alternatives: [nonsense]}", "no address of a relay" },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		char text[256];
		struct zs_conf *conf;
		struct zs_error err = { 0 };

		snprintf(text, sizeof(text), "attach: %s\n", rows[i].attach);
		conf = rig_conf(&w->r, text);
		assert_int_equal(zs_attach_conf_check(conf, &err), -EINVAL);
		assert_non_null(strstr(err.text, rows[i].text));
		assert_int_equal(zs_control_apply(&w->r.c, conf, &err), -EINVAL);
		free(conf);
	}
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_allow_list),	  ROW(test_tokens), ROW(test_psk),
		ROW(test_named_refusals), ROW(test_ports),  ROW(test_full_disk),
		ROW(test_policy_changes), ROW(test_drain),  ROW(test_drain_over_a_restart),
		ROW(test_detach),	  ROW(test_deaf),   ROW(test_conf_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
