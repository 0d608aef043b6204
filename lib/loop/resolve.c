/* c-ares tells which descriptors it wants watched; each gets a watch. Its answers may come from within the
 * question, so they are kept and told by a timer. A question lives until it was told or cancelled, and c-ares
 * has answered it: that it does in any case, at the latest when its channel goes. */
#include "loop/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "base/clock.h"

#define TIMEOUT_MS 2000 /* of one server's first answer; doubles */
#define TRIES	   3
#define UDP_BYTES  1232		      /* of an answer that no path cuts in pieces; longer ones come by TCP */
enum { CLASS_IN = 1, TYPE_TXT = 16 }; /* RFC 1035 */

struct watched {
	TAILQ_ENTRY(watched) link;
	struct zs_resolver *resolver;
	struct zs_watch *watch;
	int fd;
};

struct zs_resolve {
	TAILQ_ENTRY(zs_resolve) link;
	struct zs_resolver *resolver;
	struct zs_timer *timer;
	zs_resolve_fn *fn; /* NULL: texts are asked for */
	zs_resolve_texts_fn *texts_fn;
	void *ctx;
	bool answered, cancelled;
	uint32_t count;
	struct zs_addr addr[ZS_RESOLVE_ADDRS];
	char *texts;
	size_t texts_len;
	char why[ZS_ERROR_TEXT], name[256];
};

struct zs_resolver {
	struct zs_loop *loop;
	ares_channel channel;
	struct zs_timer *timer;
	TAILQ_HEAD(, watched) watched;
	TAILQ_HEAD(, zs_resolve) questions;
};

/* --- c-ares and the loop ---------------------------------------------------------------------- */

static void set_timer(struct zs_resolver *r)
{
	struct timeval tv, *wait = ares_timeout(r->channel, NULL, &tv);

	if (wait)
		zs_timer_after(r->timer,
			       (uint64_t)wait->tv_sec * ZS_NS_PER_S + (uint64_t)wait->tv_usec * 1000 + 1);
	else
		zs_timer_set(r->timer, 0);
}

static void on_timer(void *ctx)
{
	struct zs_resolver *r = ctx;

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(r);
}

static void on_ready(void *ctx, int fd, unsigned events)
{
	struct zs_resolver *r = ((struct watched *)ctx)->resolver; /* the watch may go in the next line */

	ares_process_fd(r->channel, events & (ZS_WATCH_READ | ZS_WATCH_HUP) ? fd : ARES_SOCKET_BAD,
			events & ZS_WATCH_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(r);
}

static void unwatch(struct watched *w)
{
	zs_watch_delete(w->watch);
	TAILQ_REMOVE(&w->resolver->watched, w, link);
	free(w);
}

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct zs_resolver *r = ctx;
	unsigned events = (readable ? ZS_WATCH_READ : 0) | (writable ? ZS_WATCH_WRITE : 0);
	struct watched *w;

	TAILQ_FOREACH(w, &r->watched, link)
	if (w->fd == fd)
		break;
	if (w && events) {
		zs_watch_set(w->watch, events);
	} else if (w) {
		unwatch(w);
	} else if (events && (w = calloc(1, sizeof(*w)))) {
		*w = (struct watched){ .resolver = r, .fd = fd };
		if (zs_watch_new(&w->watch, r->loop, fd, events, on_ready, w)) {
			free(w); /* the question times out */
			return;
		}
		TAILQ_INSERT_TAIL(&r->watched, w, link);
	}
}

/* --- questions -------------------------------------------------------------------------------- */

static void forget(struct zs_resolve *q)
{
	TAILQ_REMOVE(&q->resolver->questions, q, link);
	zs_timer_delete(q->timer);
	free(q->texts);
	free(q);
}

static void tell(void *ctx)
{
	struct zs_resolve *q = ctx;

	if (!q->cancelled && q->fn)
		q->fn(q->ctx, q->addr, q->count, q->why);
	else if (!q->cancelled)
		q->texts_fn(q->ctx, q->texts, q->texts_len, q->why);
	forget(q);
}

/* The next address of the family behind *at. */
static bool next_of(const struct ares_addrinfo_node **at, int family, struct zs_addr *out)
{
	struct zs_endpoint ep;

	for (; *at; *at = (*at)->ai_next)
		if ((*at)->ai_family == family && zs_endpoint_from_sockaddr(&ep, (*at)->ai_addr) == 0) {
			*out = ep.addr;
			*at = (*at)->ai_next;
			return true;
		}
	return false;
}

/* `nothing`: what is missing, NULL: something came. */
static void answered(struct zs_resolve *q, int status, const char *nothing)
{
	if (nothing)
		snprintf(q->why, sizeof(q->why),
			 "%.100s: %.80s; see whether the name is right and DNS answers", q->name,
			 status == ARES_SUCCESS ? nothing : ares_strerror(status));
	q->answered = true;
	if (status == ARES_EDESTRUCTION)
		forget(q);
	else
		zs_timer_after(q->timer, 1);
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	struct zs_resolve *q = ctx;
	const struct ares_addrinfo_node *six = info ? info->nodes : NULL, *four = six;
	bool more = true;

	while (more && q->count + 2 <= ZS_RESOLVE_ADDRS) {
		more = next_of(&six, AF_INET6, &q->addr[q->count]);
		q->count += more;
		if (next_of(&four, AF_INET, &q->addr[q->count])) {
			q->count++;
			more = true;
		}
	}
	if (info)
		ares_freeaddrinfo(info);
	answered(q, status, q->count ? NULL : "no address");
}

/* A record is one text in chunks, the first of which says so. */
static void keep_texts(struct zs_resolve *q, const struct ares_txt_ext *chunk)
{
	size_t at = 0;

	while (chunk) {
		bool fits = true;

		do {
			fits = fits && at + chunk->length < ZS_RESOLVE_TEXTS &&
			       !memchr(chunk->txt, '\0', chunk->length);
			if (fits)
				memcpy(q->texts + at, chunk->txt, chunk->length);
			at += fits ? chunk->length : 0;
			chunk = chunk->next;
		} while (chunk && !chunk->record_start);
		if (fits) {
			q->texts[at++] = '\0';
			q->texts_len = at;
		}
		at = q->texts_len;
	}
}

static void on_texts(void *ctx, int status, int timeouts, unsigned char *reply, int len)
{
	struct zs_resolve *q = ctx;
	struct ares_txt_ext *chunks = NULL;

	if (status == ARES_SUCCESS)
		status = ares_parse_txt_reply_ext(reply, len, &chunks);
	if (chunks) {
		keep_texts(q, chunks);
		ares_free_data(chunks);
	}
	answered(q, status, q->texts_len ? NULL : "no text");
}

static struct zs_resolve *question(struct zs_resolver *r, const char *name, void *ctx)
{
	struct zs_resolve *q = calloc(1, sizeof(*q));

	if (!q || zs_timer_new(&q->timer, r->loop, tell, q)) {
		free(q);
		return NULL;
	}
	q->resolver = r;
	q->ctx = ctx;
	snprintf(q->name, sizeof(q->name), "%s", name);
	TAILQ_INSERT_TAIL(&r->questions, q, link);
	return q;
}

int zs_resolve_start(struct zs_resolve **out, struct zs_resolver *r, const char *name,
		     enum zs_resolve_family family, zs_resolve_fn *fn, void *ctx)
{
	static const int families[] = {
		[ZS_RESOLVE_ANY] = AF_UNSPEC, [ZS_RESOLVE_IP4] = AF_INET, [ZS_RESOLVE_IP6] = AF_INET6
	};
	const struct ares_addrinfo_hints hints = { .ai_family = families[family], .ai_socktype = SOCK_DGRAM };
	struct zs_resolve *q = question(r, name, ctx);

	if (!q)
		return -ENOMEM;
	q->fn = fn;
	*out = q;
	ares_getaddrinfo(r->channel, name, NULL, &hints, on_answer, q);
	set_timer(r);
	return 0;
}

int zs_resolve_texts(struct zs_resolve **out, struct zs_resolver *r, const char *name,
		     zs_resolve_texts_fn *fn, void *ctx)
{
	struct zs_resolve *q = question(r, name, ctx);

	if (!q)
		return -ENOMEM;
	q->texts_fn = fn;
	q->texts = malloc(ZS_RESOLVE_TEXTS);
	if (!q->texts) {
		forget(q);
		return -ENOMEM;
	}
	*out = q;
	ares_query(r->channel, name, CLASS_IN, TYPE_TXT, on_texts, q);
	set_timer(r);
	return 0;
}

void zs_resolve_cancel(struct zs_resolve *q)
{
	q->cancelled = true;
}

/* --- life ------------------------------------------------------------------------------------- */

int zs_resolver_new(struct zs_resolver **out, struct zs_loop *loop, const char *servers, struct zs_error *err)
{
	struct zs_resolver *r = calloc(1, sizeof(*r));
	struct ares_options options = { .flags = ARES_FLAG_EDNS,
					.ednspsz = UDP_BYTES,
					.timeout = TIMEOUT_MS,
					.tries = TRIES,
					.sock_state_cb = on_socket,
					.sock_state_cb_data = r };
	int rc;

	if (!r || zs_timer_new(&r->timer, loop, on_timer, r)) {
		free(r);
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	}
	r->loop = loop;
	TAILQ_INIT(&r->watched);
	TAILQ_INIT(&r->questions);
	rc = ares_init_options(&r->channel, &options,
			       ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				   ARES_OPT_SOCK_STATE_CB);
	if (rc == ARES_SUCCESS && servers) {
		rc = ares_set_servers_ports_csv(r->channel, servers);
		if (rc != ARES_SUCCESS)
			ares_destroy(r->channel);
	}
	if (rc != ARES_SUCCESS) {
		zs_timer_delete(r->timer);
		free(r);
		return zs_error_set(err, rc == ARES_ENOMEM ? -ENOMEM : -EINVAL, ZS_EXIT_RESOURCE,
				    "names cannot be resolved: %s; see /etc/resolv.conf", ares_strerror(rc));
	}
	*out = r;
	return 0;
}

void zs_resolver_delete(struct zs_resolver *r)
{
	if (!r)
		return;
	ares_destroy(r->channel);
	while (!TAILQ_EMPTY(&r->questions)) /* answered, not told yet */
		forget(TAILQ_FIRST(&r->questions));
	while (!TAILQ_EMPTY(&r->watched))
		unwatch(TAILQ_FIRST(&r->watched));
	zs_timer_delete(r->timer);
	free(r);
}
