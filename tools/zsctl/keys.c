/* Keys between the control plane and files: they go through no argument, no terminal and no file that others may read. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "zsctl.h"

int zsctl_keys_guard(const char *path, struct zs_error *err)
{
	struct stat st;

	if (!strcmp(path, "-") || stat(path, &st) ||
	    !(st.st_mode & 077)) /* one that is not there is told by who opens it */
		return 0;
	return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE,
			    "%s: others may read it, and it holds keys; chmod 600 it", path);
}

int zsctl_keys_save(const char *path, json_t *result, struct zs_error *err)
{
	json_t *text = json_object_get(result, "text");
	int rc = zs_file_put(path, json_string_value(text), json_string_length(text), true);

	sodium_memzero((char *)json_string_value(text), json_string_length(text));
	json_object_del(result, "text");
	json_object_set_new(result, "file", json_string(path));
	if (!rc)
		return 0;
	return zs_error_set(err, rc, rc == -EEXIST ? ZS_EXIT_REFUSED : ZS_EXIT_RESOURCE, "%s: %s", path,
			    rc == -EEXIST ? "is there already; name another file" : strerror(-rc));
}
