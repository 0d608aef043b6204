/* Parts of the bundle that need no plane: the configuration file and what the planes say to it, how they ended and what they wrote. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "conf/conf.h"
#include "support.h"

#define LOG_LINES 400
#define TEXT_MAX  (128u << 10) /* of a log its last bytes, of a command's answer the first */

static const char *conf_path(const struct zsctl *z, char path[128])
{
	const char *named = json_string_value(json_object_get(z->args, "config"));

	snprintf(path, 128, "/etc/zerostate/%s.yaml", z->instance);
	return named ? named : path;
}

/* Whoever wrote it, it is text from here on. */
static json_t *as_text(char *text, size_t len)
{
	json_t *value = json_stringn(text, len);

	for (size_t i = 0; !value && i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			text[i] = '?';
	return value ? value : json_stringn(text, len);
}

json_t *support_conf(const struct zsctl *z, struct zs_error *err)
{
	char at[128], *text = NULL;
	const char *path = conf_path(z, at);
	size_t len;
	json_t *result;

	if (zs_conf_read_file(path, &text, &len, err) != 0)
		return NULL;
	result = json_pack("{s:s,s:o}", "file", path, "text", as_text(text, len));
	free(text);
	return result;
}

json_t *support_check(const struct zsctl *z, struct zs_error *err)
{
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error found = { 0 };
	char at[128];
	bool good = conf && zs_conf_load_for(conf, conf_path(z, at), z->instance, &found) == 0;

	free(conf);
	return json_pack("{s:b,s:I,s:s}", "good", good, "line", (json_int_t)found.line, "error", found.text);
}

static size_t first_line(const char *text, size_t len)
{
	const char *end = text ? memchr(text, '\n', len) : NULL;

	return end ? (size_t)(end - text) : len;
}

/* What the command says, or NULL and its first line in err. The instance's name in it is safe for a shell. */
static json_t *answer(const char *command, struct zs_error *err)
{
	FILE *f = popen(command, "re");
	char *text = f ? malloc(TEXT_MAX) : NULL;
	size_t len = text ? fread(text, 1, TEXT_MAX, f) : 0;
	json_t *result = NULL;

	/* One that has more to say is ended by SIGPIPE. */
	if (f && (pclose(f) == 0 || len == TEXT_MAX))
		result = json_pack("{s:s,s:o}", "command", command, "text", as_text(text, len));
	else
		zs_error_set(err, -ENOENT, ZS_EXIT_FAILED, "%.*s", (int)first_line(text, len),
			     text ? text : "");
	free(text);
	return result;
}

json_t *support_services(const struct zsctl *z, struct zs_error *err)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "systemctl show -p Id,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts,"
		 "ActiveEnterTimestamp,InactiveEnterTimestamp zs-controlplane@%s zs-dataplane@%s 2>&1",
		 z->instance, z->instance);
	return answer(command, err);
}

/* The end of a file that the planes' stderr goes to, from a line's begin. */
static json_t *tail(const char *path, struct zs_error *err)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(TEXT_MAX) : NULL, *begin = text;
	json_t *result = NULL;
	struct stat st;
	size_t len;

	if (text && fstat(fileno(f), &st) == 0) {
		fseeko(f, st.st_size > TEXT_MAX ? st.st_size - TEXT_MAX : 0, SEEK_SET);
		len = fread(text, 1, TEXT_MAX, f);
		if (st.st_size > TEXT_MAX && (begin = memchr(text, '\n', len)))
			begin++;
		begin = begin ? begin : text;
		result = json_pack("{s:s,s:o}", "file", path, "text",
				   as_text(begin, len - (size_t)(begin - text)));
	}
	if (!result)
		zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "%s: %s", path, strerror(errno));
	if (f)
		fclose(f);
	free(text);
	return result;
}

json_t *support_log(const struct zsctl *z, struct zs_error *err)
{
	const char *path = json_string_value(json_object_get(z->args, "log"));
	char command[256];

	if (path)
		return tail(path, err);
	snprintf(command, sizeof(command),
		 "journalctl --no-pager -o short-iso -n %u -u 'zs-*@%s.service' 2>&1", LOG_LINES,
		 z->instance);
	return answer(command, err);
}
