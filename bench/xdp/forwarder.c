#include "xdp/forwarder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include "cpu/stand.h"

/* In R. The program stays at r0 until R is gone. */
static int attach(const char *path)
{
	static const uint8_t nobody[6] = ZS_WIRE_NOBODY;
	struct zs_forwarder to = { .port = htons(ZS_LOAD_RELAY_PORT),
				   .dport = htons(443),
				   .saddr = inet_addr("10.78.2.1"),
				   .daddr = inet_addr("10.78.2.2"),
				   .ifindex = if_nametoindex("r1") };
	struct bpf_object *o = bpf_object__open_file(path, NULL);
	struct bpf_program *p;
	struct bpf_map *map;
	uint32_t zero = 0;

	memcpy(to.macs, nobody, 6);
	memcpy(to.macs + 6, "\x02\0\0\0\0\x01", 6);
	if (!o || bpf_object__load(o))
		return -EIO;
	p = bpf_object__find_program_by_name(o, "forward");
	map = bpf_object__find_map_by_name(o, "forwarder_to");
	if (!p || !map || bpf_map_update_elem(bpf_map__fd(map), &zero, &to, 0))
		return -EIO;
	return bpf_xdp_attach((int)if_nametoindex("r0"), bpf_program__fd(p), XDP_FLAGS_DRV_MODE, NULL);
}

int zs_forwarder_start(const struct zs_stand *s, struct zs_error *err)
{
	char path[300];
	pid_t pid = zs_wire_fork(&s->wire);
	int status = -1;

	if (pid < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork");
	if (pid == 0) {
		snprintf(path, sizeof(path), "%s/forwarder.bpf.o", s->opt->bin_dir);
		_exit(zs_wire_enter(&s->wire, 'r') || attach(path) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	/* r1 hands on what XDP sends once it runs a program itself, or its peer polls; s0 does. */
	return status ? zs_error_set(err, -EIO, ZS_EXIT_FAILED, "the XDP forwarder is not taken by r0") : 0;
}
