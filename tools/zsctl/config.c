/* config check: the file's own words against the schema, without any process. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/conf.h"
#include "zsctl.h"

static void print_bad(const struct zsctl *z, const struct zs_error *err)
{
	json_t *r;

	fprintf(stderr, "zsctl: %s\n", err->text);
	if (!z->json)
		return;
	r = json_pack("{s:b,s:I,s:s}", "good", 0, "line", (json_int_t)err->line, "error", err->text);
	zsctl_print_json(z, r);
	json_decref(r);
}

int zsctl_read(const char *name, char **text, size_t *len, struct zs_error *err)
{
	return strcmp(name, "-") ? zs_conf_read_file(name, text, len, err)
				 : zs_conf_read_from(STDIN_FILENO, name, text, len, err);
}

static int load(struct zs_conf *conf, const char *name, struct zs_error *err)
{
	char *text = NULL;
	size_t len = 0;
	int rc = zsctl_read(name, &text, &len, err);

	if (rc == 0)
		rc = zs_conf_parse(conf, name, text, len, err);
	free(text);
	return rc;
}

int zsctl_config_check(const struct zsctl *z)
{
	const char *name = json_string_value(json_object_get(z->args, "file"));
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err = { 0 };
	int rc = conf ? load(conf, name, &err) : -1;
	json_t *r;

	if (rc != 0) {
		print_bad(z, &err);
		free(conf);
		return ZS_EXIT_CONFIG;
	}
	r = json_pack("{s:b,s:s,s:I,s:I,s:I}", "good", 1, "instance", conf->instance, "ports",
		      (json_int_t)conf->dataplane.ports, "workers", (json_int_t)conf->dataplane.workers,
		      "published", (json_int_t)conf->publishes);
	if (z->json)
		zsctl_print_json(z, r);
	else
		printf("%s: good: instance %s, %u ports, %u workers, %u published\n", name, conf->instance,
		       conf->dataplane.ports, conf->dataplane.workers, conf->publishes);
	json_decref(r);
	free(conf);
	return ZS_EXIT_OK;
}
