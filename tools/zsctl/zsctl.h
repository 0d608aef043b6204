/* zsctl: one call of one verb. Everything hangs off struct zsctl, made in main.c. */
#ifndef ZS_ZSCTL_ZSCTL_H
#define ZS_ZSCTL_ZSCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include "cli/command.h"
#include "shm/state.h"
#include "shm/tables.h"

#define ZSCTL_FILE_MAX (60u << 10) /* a configuration that fits a request of 64 KiB */

struct zsctl {
	const char *instance;
	char socket[108];
	bool json;
	uint32_t patience_s; /* for an answer of the control plane; 0: as long as that waits for us */
	const struct zs_command *cmd;
	json_t *args;
};

const char *zsctl_version(void);

/* fail.c: one line on stderr and, with --json, {"schema":"zsctl.error/1","error":{"exit","name","text"}} on stdout,
 * where nothing else may stand then. Returns status. */
__attribute__((format(printf, 3, 4))) int zsctl_fail(const struct zsctl *z, enum zs_exit status,
						     const char *fmt, ...);

/* client.c: the verb's answer by the control plane. Returns an exit status; *result is set on OK and UNHEALTHY, err->text
 * otherwise. UNREACHABLE: nobody answers there. */
int zsctl_call(const struct zsctl *z, const struct zs_command *cmd, json_t *args, json_t **result,
	       struct zs_error *err);
/* offline.c: the same from shared memory, read-only, for verbs that can. -ENOTSUP: this verb cannot. */
int zsctl_offline(const struct zsctl *z, const struct zs_command *cmd, json_t *args, json_t **result);

/* print.c, tables.c: people's form. */
void zsctl_print(const struct zsctl *z, json_t *result);
void zsctl_print_json(const struct zsctl *z, json_t *result);
/* Rows of objects as columns: "#port:Port,target:Target" picks members and titles; # is for numbers that are names. Says `nothing` when there is no row. */
void zsctl_table(json_t *rows, const char *columns, const char *nothing);
/* 1234567 → "1,234,567"; returns buf. */
const char *zsctl_number(char buf[32], json_int_t value);

/* Verbs that zsctl answers alone; each returns an exit status. */
int zsctl_top(const struct zsctl *z);
int zsctl_trace(const struct zsctl *z);
int zsctl_doctor(const struct zsctl *z);
/* doctor.c: what it found; NULL and err: there is no configuration to judge by. */
json_t *zsctl_examine(const struct zsctl *z, struct zs_error *err);
int zsctl_support(const struct zsctl *z);
int zsctl_upgrade(const struct zsctl *z);
int zsctl_config_check(const struct zsctl *z);
/* A file argument's text, of stdin when it is "-"; the caller frees it. What is no regular file is refused. */
int zsctl_read(const char *name, char **text, size_t *len, struct zs_error *err);
int zsctl_help(const struct zsctl *z);
/* When `word` begins verbs without being one: fails with what may follow; else 0. */
int zsctl_group(const struct zsctl *z, const char *word);
/* manual.c */
int zsctl_man(const struct zsctl *z);
int zsctl_explain(const struct zsctl *z);
/* explain.c: zs-health(7). */
void zsctl_write_health(FILE *to);
/* A text that is a file for another program: as it is, or as a member of an object. An exit status. */
int zsctl_give(const struct zsctl *z, void (*write_to)(FILE *to));
int zsctl_completion(const struct zsctl *z);

/* drain.c: waits until the relay has drained and shows how far it is; *result is what it was last. An exit status. */
int zsctl_drain_wait(const struct zsctl *z, json_t **result, struct zs_error *err);

/* keys.c. guard: refuses a file of keys that others may read. save: moves the answer's keys into a new file (0600), they are in
 * no answer then. */
int zsctl_keys_guard(const char *path, struct zs_error *err);
int zsctl_keys_save(const char *path, json_t *result, struct zs_error *err);

/* print_config.c */
void zsctl_print_planned(json_t *result);
void zsctl_print_applied(json_t *result);
void zsctl_print_confirmed(json_t *result);
void zsctl_print_history(json_t *result);
void zsctl_print_text(json_t *result);

/* print_attach.c */
void zsctl_print_attachment(json_t *result);
void zsctl_print_attachments(json_t *result);
void zsctl_print_limited(json_t *result);
void zsctl_print_usage(json_t *result);

/* print_relay.c */
void zsctl_print_bindings(json_t *result);
void zsctl_print_tunnels(json_t *result);

/* print_cids.c */
void zsctl_print_minted(json_t *result);
void zsctl_print_decoded(json_t *result);
void zsctl_print_keys(const struct zsctl *z, json_t *result);

/* print_peers.c: all connections; one, with what the peer was asked for. */
void zsctl_print_peers(json_t *result);
void zsctl_print_peer(json_t *result);

#endif
