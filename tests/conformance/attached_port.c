/* attached_port CONFIG PORT: leaves an attachment with a granted port in the store of a relay that does not run, as if an edge
 * had been there and gone: so that a row can meet such a port without an edge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "instance.h"
#include "program.h"
#include "store.h"

static bool refused = true;

static void fill(void *ctx, void *out, size_t len)
{
	memset(out, 7, len);
}

static int send_frame(void *ctx, void *link, const void *bytes, size_t len)
{
	struct zs_attach_frame f = { 0 };
	struct zs_span raw;

	if (!zs_attach_decode(&f, bytes, len, &raw) && f.kind == ZS_ATTACH_GRANT)
		refused = f.grant.ports_count != 1 || f.grant.ports[0].has_error;
	return 0;
}

static int export_secret(void *ctx, void *link, const void *context, size_t len, uint8_t out[32])
{
	memcpy(out, context, 32);
	return 0;
}

static void probe(void *ctx, void *link) {}

static void close_link(void *ctx, void *link, const char *why) {}

static void own(void *ctx, const struct zs_peer_id *peer, bool owns) {}

static const struct zs_attach_ops ops = {
	.send = send_frame, .export = export_secret, .probe = probe, .close = close_link, .own = own
};

static void attach(struct zs_attach *s, uint16_t port)
{
	struct zs_attach_peer peer = { .id = { .len = 34, .bytes = { 0x12, 0x20 } }, .group = "X25519" };
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_HELLO };
	uint8_t bytes[ZS_ATTACH_FRAME];
	struct zs_span raw;

	f.hello = (zs_pb_Hello){ .version = 1,
				 .mode = ZS_ATTACH_MODE_tunnel,
				 .receiver = 1,
				 .instance.size = ZS_ATTACH_INSTANCE,
				 .publish_count = 1 };
	f.hello.publish[0] = (zs_pb_Publish){ .name = "row", .port = port };
	zs_attach_serve(s, &ops, NULL);
	zs_attach_state(s, 1, 1);
	zs_attach_receive(s, zs_attach_opened(s, &peer, 1), bytes,
			  zs_attach_encode(&f, bytes, sizeof(bytes), &raw), 1);
}

static int open_all(struct zs_control *c, const char *path, struct zs_error *err)
{
	char dir[160];
	int rc = zs_conf_load(c->conf, path, err);

	snprintf(dir, sizeof(dir), "%s/store", c->conf->state_dir);
	if (!rc)
		rc = zs_instance_folder(c->conf->state_dir, 0750, err);
	if (!rc)
		rc = zs_loop_new(&c->loop, ZS_LOOP_AUTO, err);
	if (!rc)
		rc = zs_store_open(&c->store, dir, err);
	if (!rc)
		rc = zs_program_new(&c->program, c, err);
	return rc ? rc
		  : zs_attach_new(&c->attach, c, (struct zs_random){ .fill = fill }, 1,
				  zs_clock_wall_ns() / ZS_NS_PER_S, err);
}

int main(int argc, char **argv)
{
	struct zs_control c = { .conf = malloc(sizeof(*c.conf)) };
	struct zs_error err = { 0 };
	char scratch[] = "/dev/shm/zs-row-XXXXXX", cmd[64];

	ZS_CHECK(argc == 3 && c.conf && mkdtemp(scratch), "attached_port CONFIG PORT");
	snprintf(c.shm_dir, sizeof(c.shm_dir), "%s", scratch);
	zs_log_init(&c.log, STDERR_FILENO, argv[0]);
	ZS_CHECK(open_all(&c, argv[1], &err) == 0, "%s", err.text);
	attach(c.attach, (uint16_t)atoi(argv[2]));
	zs_attach_delete(c.attach);
	zs_program_delete(c.program);
	zs_store_close(c.store);
	zs_loop_delete(c.loop);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", scratch);
	return refused || system(cmd) != 0;
}
