/* What the kernel's routes do not tell: the session of who calls, and which interface a PCI device is.
 *
 * sshd sets SSH_CONNECTION to "client port server port"; sudo takes it out again, so the ancestors are asked too. */
#include "net/management.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANCESTORS   32
#define ENVIRONMENT (256u << 10) /* the kernel's bound of one is larger; a session's is far below */

static bool server_of(const char *connection, struct zs_addr *out)
{
	char server[64];

	if (sscanf(connection, "%*63s %*u %63s %*u", server) != 1)
		return false;
	server[strcspn(server, "%")] = '\0'; /* a link-local address with its zone */
	return zs_addr_parse(out, strncmp(server, "::ffff:", 7) == 0 && strchr(server, '.') ? server + 7
											    : server) == 0;
}

/* Of process `pid`; 0: there is none, or it does not show. */
static int parent_of(int pid)
{
	char path[32], text[512], *at;
	int parent = 0;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')'); /* a name may hold anything */
	return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool environment_has(int pid, struct zs_addr *out)
{
	static const char name[] = "SSH_CONNECTION=";
	char path[32], *text = malloc(ENVIRONMENT);
	bool found = false;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	f = text ? fopen(path, "re") : NULL;
	if (f) {
		n = fread(text, 1, ENVIRONMENT - 1, f);
		text[n] = '\0';
		fclose(f);
	}
	for (char *at = text; !found && n && at < text + n; at += strlen(at) + 1)
		found = !strncmp(at, name, sizeof(name) - 1) && server_of(at + sizeof(name) - 1, out);
	free(text);
	return found;
}

bool zs_management_ssh(struct zs_addr *out)
{
	const char *own = getenv("SSH_CONNECTION");
	int pid = getppid();

	if (own && server_of(own, out))
		return true;
	for (int i = 0; i < ANCESTORS && pid > 1; i++, pid = parent_of(pid))
		if (environment_has(pid, out))
			return true;
	return false;
}

bool zs_management_pci(const char *address, char out[16])
{
	char path[192];
	struct dirent *e;
	DIR *dir;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/net", address);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(out, 16, "%.15s", e->d_name);
	if (dir)
		closedir(dir);
	return out[0] != '\0';
}
