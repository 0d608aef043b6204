/* trace: what trace read answers, written as pcapng. Nothing is kept but what was not written out yet; the file is whole up to
 * any block. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/redact.h"
#include "net/pcapng.h"
#include "net/truncate.h"
#include "shm/trace.h"
#include "zsctl.h"

#define LOOK_MS 50
#define BLOCK	ZS_PCAPNG_BLOCK(ZS_TRACE_SNAP)

struct trace {
	const struct zsctl *z;
	const char *path;
	int fd, signals;
	bool std, hung_up; /* to stdout; whose reader is gone */
	bool cut;	   /* the relay answers no more */
	bool truncate;	   /* addresses, of all that is written */
	json_t *id, *counts;
	json_t *interfaces;
	uint32_t place[ZS_IFACES_MAX]; /* of an interface among the descriptions, + 1 */
	uint64_t delivered[ZS_IFACES_MAX];
	uint64_t begin_ns, packets;
	struct zs_error err;
	uint8_t block[BLOCK];
};

static json_int_t num(json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *str(json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

/* --- the file --- */

static int open_file(struct trace *t)
{
	t->std = strcmp(t->path, "-") == 0;
	t->fd = t->std ? STDOUT_FILENO
		       : open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->std && t->z->json)
		return zs_error_set(&t->err, -EINVAL, ZS_EXIT_USAGE,
				    "--json and the packets cannot both go to stdout; name a file");
	if (t->std && isatty(t->fd))
		return zs_error_set(&t->err, -EINVAL, ZS_EXIT_USAGE,
				    "stdout is a terminal; name a file, or: zsctl trace - | tshark -r -");
	if (t->fd < 0 && errno == EEXIST)
		return zs_error_set(&t->err, -EEXIST, ZS_EXIT_REFUSED,
				    "%s: is there already; name another file", t->path);
	return t->fd >= 0
		   ? 0
		   : zs_error_set(&t->err, -errno, ZS_EXIT_RESOURCE, "%s: %s", t->path, strerror(errno));
}

/* A block, whole or not at all: what a full disk cut off is taken back. */
static int put(struct trace *t, size_t len)
{
	off_t at = t->std ? 0 : lseek(t->fd, 0, SEEK_CUR);
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(t->fd, t->block + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int code = errno;

			t->hung_up = t->std && code == EPIPE;
			if (!t->std && (ftruncate(t->fd, at) || lseek(t->fd, at, SEEK_SET) < 0))
				code = errno;
			return zs_error_set(&t->err, -code, ZS_EXIT_RESOURCE,
					    "%s: %s; %llu packets are in it", t->std ? "stdout" : t->path,
					    strerror(code), (unsigned long long)t->packets);
		}
		done += (size_t)n;
	}
	return 0;
}

/* --- blocks --- */

/* What is said beside packets has addresses too. */
static void hide(const struct trace *t, char *text, size_t cap)
{
	char *plain = t->truncate ? zs_redact_text(text, strlen(text), false) : NULL;

	if (t->truncate)
		snprintf(text, cap, "%s", plain ? plain : "");
	free(plain);
}

static int put_head(struct trace *t)
{
	char *words = json_dumps(t->z->args, JSON_COMPACT), application[64], comment[ZS_PCAPNG_TEXT];
	size_t i;
	json_t *one;
	int rc;

	snprintf(application, sizeof(application), "zsctl %s", zsctl_version());
	snprintf(comment, sizeof(comment), "instance %s; asked for %s", t->z->instance, words ? words : "");
	free(words);
	hide(t, comment, sizeof(comment));
	rc = put(t, zs_pcapng_begin(t->block, BLOCK, application, comment));
	json_array_foreach(t->interfaces, i, one)
	{
		size_t at = (size_t)num(one, "interface");
		unsigned mac[6] = { 0 };
		struct zs_pcapng_interface d = { .name = str(one, "name"),
						 .description = "port of zs-dataplane",
						 .filter = comment,
						 .snap = ZS_TRACE_SNAP };

		if (rc || at >= ZS_IFACES_MAX)
			continue;
		if (sscanf(str(one, "mac"), "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
			   &mac[5]) == 6)
			for (int k = 0; k < 6; k++)
				d.mac[k] = (uint8_t)(t->truncate && k >= 3 ? 0 : mac[k]);
		t->place[at] = (uint32_t)i + 1;
		rc = put(t, zs_pcapng_interface(t->block, BLOCK, &d));
	}
	return rc;
}

static void tell_attachments(json_t *r, char *text, size_t cap)
{
	long long from = num(r, "from"), to = num(r, "to");

	if (from && to)
		snprintf(text, cap, ", attachment %lld to %lld", from, to);
	else if (from || to)
		snprintf(text, cap, ", %s attachment %lld", from ? "from" : "to", from ? from : to);
	else
		text[0] = '\0';
}

static void tell(json_t *r, char *text, size_t cap)
{
	const char *reason = str(r, "reason");
	char attachments[64];

	tell_attachments(r, attachments, sizeof(attachments));
	snprintf(text, cap, "%s%s%s, %s, client %s, port %lld%s", str(r, "verdict"), reason[0] ? ": " : "",
		 reason, str(r, "class"), str(r, "client"), num(r, "port"), attachments);
}

static int put_packet(struct trace *t, json_t *r)
{
	const char *text = str(r, "bytes");
	size_t at = (size_t)num(r, "interface"), len = 0;
	uint8_t bytes[ZS_TRACE_SNAP];
	char comment[ZS_PCAPNG_TEXT];
	struct zs_pcapng_packet p = { .time_ns = (uint64_t)num(r, "time_ns"),
				      .bytes = bytes,
				      .length = (uint32_t)num(r, "length"),
				      .outbound = strcmp(str(r, "verdict"), "sent") == 0,
				      .comment = comment };

	if (at >= ZS_IFACES_MAX || !t->place[at] ||
	    sodium_base642bin(bytes, sizeof(bytes), text, strlen(text), NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL))
		return 0; /* of a port that came meanwhile */
	p.interface = t->place[at] - 1;
	p.captured = (uint32_t)len;
	tell(r, comment, sizeof(comment));
	hide(t, comment, sizeof(comment));
	if (t->truncate)
		zs_frame_truncate(bytes, len);
	if (put(t, zs_pcapng_packet(t->block, BLOCK, &p)))
		return t->err.code;
	t->packets++;
	t->delivered[at]++;
	return 0;
}

static json_t *count_of(const struct trace *t, size_t interface)
{
	json_t *one;
	size_t i;

	json_array_foreach(t->counts, i, one) if ((size_t)num(one, "interface") == interface) return one;
	return NULL;
}

/* What there was and what of it is missing, a block an interface. Returns what is missing; *ignored: what nobody looked at. */
static uint64_t put_tail(struct trace *t, bool write, uint64_t *ignored)
{
	uint64_t missing = 0;
	json_t *one;
	size_t i;

	json_array_foreach(t->interfaces, i, one)
	{
		size_t at = (size_t)num(one, "interface");
		json_t *n = count_of(t, at);
		uint64_t matched = (uint64_t)num(n, "matched"), rate = (uint64_t)num(n, "over_rate"),
			 ring = (uint64_t)num(n, "ring_full"), unseen = (uint64_t)num(n, "unseen"), lost;
		char comment[ZS_PCAPNG_TEXT];
		struct zs_pcapng_statistics s = { .begin_ns = t->begin_ns,
						  .end_ns = zs_clock_wall_ns(),
						  .received = matched,
						  .comment = comment };

		if (at >= ZS_IFACES_MAX || !t->place[at])
			continue;
		lost = matched > t->delivered[at] ? matched - t->delivered[at] : 0;
		missing += lost;
		*ignored += unseen;
		s.interface = t->place[at] - 1;
		s.lost = lost;
		s.delivered = t->delivered[at];
		snprintf(comment, sizeof(comment),
			 "%llu packets fit the filter, %llu of them are here; over the rate %llu, ring full "
			 "%llu, not "
			 "read any more %llu; %llu others were not looked at",
			 (unsigned long long)matched, (unsigned long long)t->delivered[at],
			 (unsigned long long)rate, (unsigned long long)ring,
			 (unsigned long long)(lost > rate + ring ? lost - rate - ring : 0),
			 (unsigned long long)unseen);
		if (write && put(t, zs_pcapng_statistics(t->block, BLOCK, &s)))
			write = false;
	}
	return missing;
}

/* --- the trace --- */

static int begin(struct trace *t)
{
	json_t *args = json_copy(t->z->args), *result = NULL;
	int status;

	json_object_del(args, "into");
	json_object_del(args, "truncate-addresses");
	status = zsctl_call(t->z, zs_command_get(ZS_COMMAND_trace_begin), args, &result, &t->err);
	t->id = json_incref(json_object_get(result, "trace"));
	t->interfaces = json_incref(json_object_get(result, "interfaces"));
	t->begin_ns = zs_clock_wall_ns();
	json_decref(result);
	json_decref(args);
	return status;
}

static int by_time(const void *a, const void *b)
{
	json_int_t x = num(*(json_t *const *)a, "time_ns"), y = num(*(json_t *const *)b, "time_ns");

	return x < y ? -1 : x > y;
}

/* In order of time, as far as one answer goes: workers are read one by one. */
static int put_packets(struct trace *t, json_t *list)
{
	size_t n = json_array_size(list);
	json_t **order = calloc(n ? n : 1, sizeof(json_t *));
	int rc = order ? 0 : zs_error_set(&t->err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");

	for (size_t i = 0; order && i < n; i++)
		order[i] = json_array_get(list, i);
	if (order)
		qsort(order, n, sizeof(json_t *), by_time);
	for (size_t i = 0; !rc && i < n; i++)
		rc = put_packet(t, order[i]);
	free(order);
	return rc;
}

/* One call. 1: there may be more, 0: that was all, <0: an error, told in t->err. */
static int step(struct trace *t, bool end)
{
	json_t *args = json_pack("{s:O}", "id", t->id), *result = NULL;
	int rc = 0;

	if (end)
		json_object_set_new(args, "end", json_true());
	if (zsctl_call(t->z, zs_command_get(ZS_COMMAND_trace_read), args, &result, &t->err) != ZS_EXIT_OK)
		rc = -EIO, t->cut = true;
	json_decref(args);
	if (!rc) {
		json_decref(t->counts);
		t->counts = json_incref(json_object_get(result, "counts"));
		rc = put_packets(t, json_object_get(result, "records"));
	}
	if (!rc)
		rc = json_is_true(json_object_get(result, "running"));
	json_decref(result);
	return rc;
}

/* By a signal, or since nobody reads stdout any more. */
static bool interrupted(struct trace *t, int ms)
{
	struct pollfd p[2] = { { .fd = t->signals, .events = POLLIN }, { .fd = t->std ? t->fd : -1 } };
	int n = poll(p, 2, ms);

	t->hung_up = t->hung_up || p[1].revents & POLLERR;
	return n > 0;
}

/* Until it is over at the relay, or here: then it is ended there. */
static int follow(struct trace *t)
{
	struct zs_error err;
	bool end = false;
	int rc = put_head(t) ? -EIO : 1;

	while (rc > 0 && (rc = step(t, end)) > 0)
		end = end || interrupted(t, LOOK_MS);
	if (rc == 0 || t->cut)
		return rc;
	err = t->err; /* what could not be written is the news */
	step(t, true);
	t->err = err;
	return rc;
}

static int finish(struct trace *t, int rc)
{
	uint64_t unseen = 0, missing = put_tail(t, !rc || t->cut, &unseen);

	if (!t->std && close(t->fd) && !rc)
		rc = zs_error_set(&t->err, -errno, ZS_EXIT_RESOURCE, "%s: %s", t->path, strerror(errno));
	if (rc && !t->hung_up)
		return zsctl_fail(t->z, t->err.exit, "%s", t->err.text);
	if (t->z->json) {
		json_t *o = json_pack("{s:s,s:I,s:I,s:I}", "file", t->path, "packets", (json_int_t)t->packets,
				      "lost", (json_int_t)missing, "unseen", (json_int_t)unseen);

		zsctl_print_json(t->z, o);
		json_decref(o);
	} else {
		fprintf(stderr, "%llu packets%s%s, %llu more are lost", (unsigned long long)t->packets,
			t->std ? "" : " are in ", t->std ? "" : t->path, (unsigned long long)missing);
		if (unseen)
			fprintf(stderr, ", %llu were not looked at", (unsigned long long)unseen);
		fputc('\n', stderr);
	}
	return ZS_EXIT_OK;
}

static int run(struct trace *t)
{
	int status;

	t->truncate = json_object_get(t->z->args, "truncate-addresses");
	if (t->truncate && json_object_get(t->z->args, "payload"))
		return zsctl_fail(t->z, ZS_EXIT_USAGE,
				  "--payload holds what users send, addresses too; it cannot go with "
				  "--truncate-addresses");
	if (open_file(t))
		return zsctl_fail(t->z, t->err.exit, "%s", t->err.text);
	status = begin(t);
	if (status == ZS_EXIT_OK)
		return finish(t, follow(t));
	if (!t->std) {
		close(t->fd);
		unlink(t->path);
	}
	return zsctl_fail(t->z, (enum zs_exit)status, "%s", t->err.text);
}

int zsctl_trace(const struct zsctl *z)
{
	struct trace *t = calloc(1, sizeof(*t));
	sigset_t set;
	int status;

	if (!t)
		return ZS_EXIT_RESOURCE;
	t->z = z;
	t->path = json_string_value(json_object_get(z->args, "into"));
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC);
	status = run(t);
	json_decref(t->id);
	json_decref(t->counts);
	json_decref(t->interfaces);
	close(t->signals);
	free(t);
	return status;
}
