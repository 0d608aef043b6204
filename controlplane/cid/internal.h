/* Shared by the files of cid/ alone.
 *
 *   cid.c      life, time, publication, rotation     configs.c  which configuration does what, and until when (pure)
 *   mint.c     nonces                                records.c  store records
 *   share.c    export and import                     text.c     … as text (pure)
 *   show.c     what verbs and tests ask */
#ifndef ZS_CONTROLPLANE_CID_INTERNAL_H
#define ZS_CONTROLPLANE_CID_INTERNAL_H

#include "cid/cid.h"

#define NEVER UINT64_MAX
#define NAME  8 /* bytes of a key's digest */

/* Configuration number n is config[n]. Never used: all zero. Withdrawn: not live, its key wiped. Times are Unix time. */
struct config {
	bool live;
	bool
	    mints; /* made here; or imported, younger than this store and than all that minted until then: so nothing
		       of it can have been minted here and be forgotten */
	bool used; /* a nonce of it was reserved here */
	uint8_t key[ZS_AES_KEY];
	uint8_t name[NAME]; /* of the key; stays when it is wiped */
	uint32_t serial;    /* among all that this store has had, from 1: its name in the nonces' records */
	uint64_t created_s, start_s, here_s;
	uint64_t withdrawn_s;
};

/* How the configuration file wants it, s. */
struct limits {
	uint64_t stage, live, rest, expires;
};

/* What is minted from next, of one attachment; all zero: not read from the store yet. */
struct stock {
	uint32_t serial;
	uint32_t next, end; /* nonces reserved and not given out */
};

struct zs_cids {
	struct zs_control *c;
	struct zs_random random;
	struct zs_sessions *shm;
	uint64_t wall_s;
	uint64_t born_s;      /* when this store was made */
	uint32_t last_serial; /* given to a configuration */
	struct config config[ZS_CID_ROTATIONS];
	struct zs_cidset set;
	struct stock *stock; /* by attachment, shm->attachments */
};

/* configs.c; `config` is the array of all. */
struct limits zs_cids_limits(const struct zs_conf *conf);
/* The one to mint from, -1: none. */
int zs_config_current(const struct config *config, uint64_t now_s);
/* When it is to be withdrawn, NEVER: nothing replaces it. */
uint64_t zs_config_due(const struct config *config, unsigned n, const struct limits *l);
/* Is c newer than all that are minted from? */
bool zs_config_newest(const struct config *config, const struct config *c);
uint64_t zs_config_started(const struct config *config); /* to be minted from, here */
bool zs_config_rests(const struct config *config, uint64_t now_s, const struct limits *l);
bool zs_config_free(const struct config *config, uint64_t now_s, const struct limits *l);
void zs_config_name(const uint8_t key[ZS_AES_KEY], uint8_t name[NAME]);
void zs_config_withdraw(struct config *config, uint64_t now_s);

/* cid.c. A new configuration in a free number drawn at random; -EBUSY: none is free. */
int zs_cids_draw(struct zs_cids *s, struct config *config, uint64_t start_s, uint8_t *rotation);
/* `next` durable, then in force and published. */
int zs_cids_commit(struct zs_cids *s, const struct config next[ZS_CID_ROTATIONS], struct zs_error *err);

/* text.c. The live ones with their keys; the text's length. */
size_t zs_config_export(const struct config config[ZS_CID_ROTATIONS], uint32_t pop, char out[ZS_CIDS_EXPORT]);
/* `file` is all zero before. false: no export, or damaged; `file` may hold keys even so. */
bool zs_config_import(const char *text, size_t len, uint64_t *pop, struct config file[ZS_CID_ROTATIONS]);

/* records.c. Records as bytes; false: damaged, *out is spoilt. */
#define CID_RECORD   (2 + 4 + 4 * 8 + NAME + ZS_AES_KEY)
#define NONCE_RECORD (2 + ZS_CID_ROTATIONS * 8)
/* Where the nonces of each configuration that is minted from may go on, by serial. */
struct reserved {
	uint32_t count, serial[ZS_CID_ROTATIONS], end[ZS_CID_ROTATIONS];
};
bool zs_config_read(struct config *out, const void *value, size_t len);
void zs_config_write(const struct config *c, uint8_t out[CID_RECORD]);
bool zs_reserved_read(struct reserved *out, const void *value, size_t len);
size_t zs_reserved_write(const struct reserved *in, uint8_t out[NONCE_RECORD]);
/* -ENOENT: this store never had any. */
int zs_cids_load(struct zs_cids *s, struct zs_error *err);
int zs_cids_store(struct zs_cids *s, const struct config config[ZS_CID_ROTATIONS], struct zs_error *err);
/* Where the nonces of configuration `n` may go on; 0: the record has none of it. */
int zs_cids_nonces_load(struct zs_cids *s, uint32_t attachment, uint32_t serial, uint32_t *from);
/* Reserves up to `end`; the reservations of other live configurations are kept, those of dead ones forgotten. */
int zs_cids_nonces_store(struct zs_cids *s, uint32_t attachment, unsigned n, uint32_t end);

#endif
