/* The door of a program that is reached by connection ID through the tunnel: whose datagrams pass, where they go, and when the
 * program hears what. */
#include <sodium.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "data_world.h"

#define TOKEN 21
#define PEER  "12D3KooWNRk8VBuTJTYyTbnJC7Nj2UN5jij4dJMo8wtSGT2hRzRP"

/* The program: a line to the edge, and its QUIC stack's socket. */
struct lab {
	struct world *w;
	char folder[64], path[96], text[4096];
	int line;
	struct zs_udp *udp;
	struct zs_endpoint at, door;
	uint32_t heard, owned, asked, bounds;
	uint8_t ecn, first;
	struct zs_endpoint from, bound;
	int refuse;
	uint8_t token[TOKEN];
};

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	struct lab *l = ctx;

	memset(cid, (int)++l->owned, ZS_BIND_CID);
	return l->owned < 3;
}

static int on_ask(void *ctx, const struct zs_peer_id *callee)
{
	struct lab *l = ctx;

	l->asked++;
	return l->refuse;
}

static void on_bound(void *ctx, const struct zs_endpoint *door, const struct zs_endpoint *program)
{
	struct lab *l = ctx;

	l->bounds++;
	l->bound = program ? *program : (struct zs_endpoint){ 0 };
	if (program)
		assert_true(zs_endpoint_eq(door, &l->door));
}

/* The other upcalls are the world's. */
static void lab_news(void *ctx, const struct zs_edge_news *news)
{
	on_news(((struct lab *)ctx)->w, news);
}
static void lab_proved(void *ctx, uint32_t link)
{
	on_proved(((struct lab *)ctx)->w, link);
}
static void lab_lost(void *ctx, uint32_t link, const char *why)
{
	on_lost(((struct lab *)ctx)->w, link, why);
}

static void program_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct lab *l = ctx;

	for (size_t i = 0; i < count; i++) {
		l->heard++;
		l->ecn = in[i].ecn;
		l->from = in[i].peer;
		l->first = *(const uint8_t *)in[i].data;
	}
}

static struct zs_udp *program_udp(struct lab *l)
{
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_udp *u;

	assert_int_equal(zs_udp_open(&u, l->w->loop, &local, 0, program_in, l, &(struct zs_error){ 0 }), 0);
	l->at = zs_udp_local(u);
	return u;
}

static int lab_setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));
	struct world *w = NULL;
	struct zs_error err = { 0 };

	assert_int_equal(setup((void **)&w), 0);
	l->w = w;
	l->line = -1;
	strcpy(l->folder, "/tmp/zs-door.XXXXXX");
	assert_non_null(mkdtemp(l->folder));
	snprintf(l->path, sizeof(l->path), "%s/socket", l->folder);
	zs_edge_data_delete(w->data);
	w->config.cid_socket = l->path;
	w->config.own = on_own;
	w->config.ask = on_ask;
	w->config.bound = on_bound;
	w->config.news = lab_news;
	w->config.proved = lab_proved;
	w->config.lost = lab_lost;
	w->config.ctx = l;
	if (zs_edge_data_new(&w->data, &w->config, &err))
		fail_msg("%s", err.text);
	l->udp = program_udp(l);
	*state = l;
	return 0;
}

static int lab_teardown(void **state)
{
	struct lab *l = *state;
	struct world *w = l->w;

	if (l->line >= 0)
		close(l->line);
	teardown((void **)&w);
	assert_int_equal(rmdir(l->folder), 0);
	free(l);
	return 0;
}

/* --- the program ------------------------------------------------------------------------------ */

static void call(struct lab *l)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	l->line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	strcpy(at.sun_path, l->path);
	assert_int_equal(connect(l->line, (struct sockaddr *)&at, sizeof(at)), 0);
	run(l->w, 10 * MS);
}

/* All that was said by now. Door and token are kept. */
static const char *hears(struct lab *l)
{
	ssize_t n;
	char *at;

	run(l->w, 10 * MS);
	n = recv(l->line, l->text, sizeof(l->text) - 1, 0);
	l->text[n > 0 ? n : 0] = '\0';
	if ((at = strstr(l->text, "relay "))) {
		char text[ZS_ENDPOINT_TEXT] = "";

		sscanf(at, "relay %46[^\n]", text);
		assert_int_equal(zs_endpoint_parse(&l->door, text), 0);
	}
	if ((at = strstr(l->text, "out ")))
		assert_int_equal(sodium_hex2bin(l->token, TOKEN, at + 4, 2 * TOKEN, NULL, NULL, NULL), 0);
	return l->text;
}

static void says(struct lab *l, const char *text)
{
	assert_int_equal(send(l->line, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	run(l->w, 10 * MS);
}

static void sends(struct lab *l, struct zs_udp *from, uint8_t ecn, const void *bytes, size_t len)
{
	zs_udp_send(from, &(struct zs_udp_datagram){ .peer = l->door, .ecn = ecn, .data = bytes, .len = len },
		    1);
	run(l->w, 10 * MS);
}

static bool told(const struct lab *l, const char *what)
{
	return strstr(l->text, what) != NULL;
}

/* A program that is reachable. */
static void reachable(struct lab *l)
{
	begin(l->w);
	call(l);
	hears(l);
	sends(l, l->udp, 0, l->token, TOKEN);
	hears(l);
	assert_true(told(l, "bound 127.0.0.1:"));
	assert_true(zs_endpoint_eq(&l->bound, &l->at));
	assert_int_equal(l->w->answers, 0);
}

static uint64_t strays(const struct lab *l)
{
	return state_of(l->w).strays;
}

static const struct zs_tunnel_flow none;

static void comes(struct lab *l, uint8_t ecn, uint8_t first)
{
	uint8_t bytes[200] = { first };

	assert_int_equal(relay_send(&l->w->relay, ZS_TUNNEL_DATA, &none, ecn, bytes, sizeof(bytes)),
			 ZS_DROPS);
	run(l->w, 10 * MS);
}

/* --- cases ------------------------------------------------------------------------------------ */

static void both_ways(void **state)
{
	struct lab *l = *state;
	uint8_t bytes[2000] = { 0x41 };

	reachable(l);
	for (uint32_t i = 1; i <= 4; i++) {
		sends(l, l->udp, i & 3, bytes, 1200);
		assert_int_equal(l->w->answers, i);
		assert_int_equal(zs_tunnel_flow_id(&l->w->answer[i - 1].flow), 0);
		assert_int_equal(l->w->answer[i - 1].len, 1200);
		assert_int_equal(l->w->answer[i - 1].ecn, i & 3);
		assert_int_equal(l->w->answer[i - 1].head[0], 0x41);
		comes(l, i & 3, (uint8_t)i);
		assert_int_equal(l->heard, i);
		assert_int_equal(l->ecn, i & 3);
		assert_int_equal(l->first, i);
		assert_true(zs_endpoint_eq(&l->from, &l->door));
	}
	sends(l, l->udp, 0, bytes, sizeof(bytes)); /* longer than the tunnel: as a path would */
	assert_int_equal(l->w->answers, 4);
	assert_int_equal(strays(l), 0);
	assert_int_equal(state_of(l->w).flows, 0);
}

static void nobody_else(void **state)
{
	struct lab *l = *state;
	uint8_t bytes[64] = { 0x41 };

	begin(l->w);
	comes(l, 0, 1); /* to nobody */
	assert_int_equal(state_of(l->w).unknown, 1);
	call(l);
	hears(l);
	sends(l, l->udp, 0, bytes, sizeof(bytes)); /* before it was told apart */
	memcpy(bytes, l->token, TOKEN);
	bytes[TOKEN - 1] ^= 1;
	sends(l, l->udp, 0, bytes, TOKEN);
	sends(l, l->udp, 0, l->token, TOKEN - 1);
	comes(l, 0, 1);
	assert_int_equal(strays(l), 3);
	assert_int_equal(l->heard + l->w->answers, 0);
	assert_int_equal(state_of(l->w).unknown, 2);
	sends(l, l->udp, 0, l->token, TOKEN);
	sends(l, l->w->client, 0, bytes, sizeof(bytes)); /* another user's socket */
	assert_int_equal(strays(l), 4);
	assert_int_equal(l->w->answers, 0);
	comes(l, 0, 1);
	assert_int_equal(l->heard, 1);
}

static void the_program_moves(void **state)
{
	struct lab *l = *state;
	struct zs_udp *old = l->udp, *fresh;
	uint8_t token[TOKEN];

	reachable(l);
	memcpy(token, l->token, TOKEN);
	fresh = program_udp(l);
	says(l, "moved\n");
	hears(l);
	assert_true(told(l, "out ") && memcmp(token, l->token, TOKEN));
	sends(l, old, 0, "as before", 9);
	assert_int_equal(l->w->answers, 1);
	sends(l, fresh, 0, token, TOKEN); /* that one was for another time */
	assert_int_equal(strays(l), 1);
	sends(l, fresh, 0, l->token, TOKEN);
	hears(l);
	assert_true(told(l, "bound "));
	sends(l, fresh, 0, "here", 4);
	sends(l, old, 0, "there", 5);
	assert_int_equal(l->w->answers, 2);
	assert_int_equal(strays(l), 2);
	/* Without a word: it is asked when something comes from elsewhere, once a second. */
	old = program_udp(l);
	run(l->w, 1100 * MS);
	hears(l);
	for (int i = 0; i < 5; i++)
		sends(l, old, 0, "who", 3);
	hears(l);
	assert_true(told(l, "out "));
	assert_null(strstr(strstr(l->text, "out ") + 1, "out "));
	sends(l, fresh, 0, "not lost", 8); /* whoever that was */
	sends(l, old, 0, l->token, TOKEN);
	sends(l, old, 0, "me", 2);
	assert_int_equal(l->w->answers, 4);
}

static void asked_until_it_does(void **state)
{
	struct lab *l = *state;
	uint8_t token[TOKEN];

	begin(l->w);
	call(l);
	hears(l);
	memcpy(token, l->token, TOKEN);
	run(l->w, 1100 * MS);
	hears(l);
	assert_true(told(l, "out "));
	assert_memory_equal(token, l->token, TOKEN);
	sends(l, l->udp, 0, l->token, TOKEN);
	hears(l);
	run(l->w, 1100 * MS);
	assert_false(strstr(hears(l), "out "));
}

static void the_program_goes(void **state)
{
	struct lab *l = *state;
	uint8_t token[TOKEN];

	reachable(l);
	memcpy(token, l->token, TOKEN);
	close(l->line);
	run(l->w, 10 * MS);
	assert_int_equal(l->bound.port, 0);
	comes(l, 0, 1);
	sends(l, l->udp, 0, "late", 4);
	sends(l, l->udp, 0, token, TOKEN);
	assert_int_equal(l->heard + l->w->answers, 0);
	assert_int_equal(state_of(l->w).unknown, 1);
	assert_int_equal(strays(l), 2);
	call(l);
	hears(l);
	assert_true(told(l, "relay ") && told(l, "out ") && !told(l, "bound "));
	sends(l, l->udp, 0, token, TOKEN); /* the one before is not its own */
	assert_false(strstr(hears(l), "bound "));
	sends(l, l->udp, 0, l->token, TOKEN);
	assert_non_null(strstr(hears(l), "bound "));
}

/* The tunnel comes and goes under it; another attachment is another reason to begin anew. */
static void the_tunnel(void **state)
{
	struct lab *l = *state;

	call(l);
	hears(l);
	sends(l, l->udp, 0, l->token, TOKEN);
	assert_false(strstr(hears(l), "bound "));
	begin(l->w);
	assert_non_null(strstr(hears(l), "bound "));
	attach(l->w, 43, ZS_ATTACH_CONTINUITY_fresh);
	until_is(l->w, &l->w->proved, 2);
	hears(l);
	assert_non_null(strstr(l->text, "unbound\nbound "));
	assert_int_equal(l->bounds, 3);
	relay_send(&l->w->relay, ZS_TUNNEL_TYPE_CLOSE, &none, 0, (uint8_t[2]){ 0, 4 }, 2);
	assert_non_null(strstr(hears(l), "unbound\n"));
}

static void connection_ids(void **state)
{
	struct lab *l = *state;
	uint8_t cid[ZS_BIND_CID];

	call(l);
	hears(l);
	says(l, "own\nown\nown\n");
	hears(l);
	assert_true(
	    told(l, "own 0101010101010101010101010101010101\nown 0202020202020202020202020202020202\nnone "));
	says(l, "dial " PEER "\ndial\n");
	assert_int_equal(l->asked, 1);
	assert_string_equal(hears(l), "none say whom to dial: dial PEERID\n");
	memset(cid, 0x11, sizeof(cid));
	zs_edge_data_dial(l->w->data, cid, "");
	zs_edge_data_dial(l->w->data, NULL, "nobody there");
	assert_string_equal(hears(l), "dial 1111111111111111111111111111111111\nnone nobody there\n");
	l->refuse = -ENOTCONN;
	says(l, "dial " PEER "\n");
	assert_string_equal(hears(l), "none not attached now\n");
	l->refuse = -EBUSY;
	says(l, "dial " PEER "\nin c0ff\nsent 40\n");
	assert_string_equal(hears(l), "none too many questions at once\n");
}

static void a_path_that_cannot_be(void **state)
{
	struct lab *l = *state;
	struct zs_edge_data_config config = l->w->config;
	struct zs_edge_data *none_made = NULL;
	struct zs_error err = { 0 };

	config.cid_socket = "/nonesuch/socket";
	config.forwards = 0; /* whose listener the world has */
	assert_int_equal(zs_edge_data_new(&none_made, &config, &err), -ENOENT);
	assert_non_null(strstr(err.text, "name another path"));
	assert_null(none_made);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = { CASE(both_ways),	     CASE(nobody_else),
					    CASE(the_program_moves), CASE(asked_until_it_does),
					    CASE(the_program_goes),  CASE(the_tunnel),
					    CASE(connection_ids),    CASE(a_path_that_cannot_be) };

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
