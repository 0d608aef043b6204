#ifndef ZS_CONTROLPLANE_REVISIONS_INTERNAL_H
#define ZS_CONTROLPLANE_REVISIONS_INTERNAL_H

#include "revisions/revisions.h"

struct zs_revisions_now {
	uint32_t last;			  /* highest number ever used */
	uint32_t number, previous;	  /* in force, and before that; 0: none */
	uint8_t file[ZS_REVISION_DIGEST]; /* the start file's text when this was put in force */
	uint32_t confirm_s;		  /* 0: no trial */
	uint64_t until_s;		  /* Unix time at which the trial ends */
};

struct zs_revisions {
	struct zs_control *c;
	struct zs_revisions_now now;
	uint8_t digest[ZS_REVISION_DIGEST]; /* of the text in force */
	char of_file[64];		    /* a key that is as in the file all the same; "": none */
	struct zs_conf *back;		    /* of a trial: what its end puts in force; NULL: no trial */
	uint8_t back_digest[ZS_REVISION_DIGEST];
	char back_of_file[64];
	uint32_t undone;	/* a revision whose mark is not stored yet */
	bool unstored;		/* `now` and the mark are not in the store yet */
	uint32_t unrecorded;	/* a revision whose undo is not in the audit file yet */
	struct zs_timer *timer; /* each second of a trial, and while something is not stored */
	uint64_t until_ns;	/* monotonic */
};

/* records.c: what the store keeps. */
#define ZS_REVISIONS_NOW 57
void zs_revisions_now_write(uint8_t out[ZS_REVISIONS_NOW], const struct zs_revisions_now *now);
bool zs_revisions_now_read(struct zs_revisions_now *now, const void *value, size_t len);

#define ZS_REVISION_HEAD 55 /* and the name */
size_t zs_revision_write(uint8_t out[ZS_REVISION_HEAD + ZS_REVISION_NAME], const struct zs_revision *rev);
bool zs_revision_read(struct zs_revision *rev, uint32_t number, const void *value, size_t len);

/* -ENOENT: there was none, *now is all zero. */
int zs_revisions_load(struct zs_revisions *r);
/* One batch: `now`; the new revision with its text (NULL: none); the mark of one that was undone (0: none). Then
 * those beyond the bound are dropped. */
int zs_revisions_store(struct zs_revisions *r, const struct zs_revisions_now *now,
		       const struct zs_revision *add, const char *text, uint32_t undone,
		       struct zs_error *err);
/* Takes the newest one back, which could not be put in force. */
int zs_revisions_take_back(struct zs_revisions *r, const struct zs_revisions_now *now, uint32_t number,
			   struct zs_error *err);

/* revisions.c */
void zs_revision_digest(uint8_t out[ZS_REVISION_DIGEST], const char *text, size_t len);
/* Of the file that the service starts from, as it is now; zeros: it cannot be read. */
void zs_revisions_digest_file(const struct zs_revisions *r, uint8_t out[ZS_REVISION_DIGEST]);
struct zs_revision zs_revision_of(const struct zs_offer *offer, uint32_t number,
				  const uint8_t digest[ZS_REVISION_DIGEST]);
/* Is the file another one than what is in force? */
void zs_revisions_tell_unsaved(struct zs_revisions *r);
void zs_revisions_forget_back(struct zs_revisions *r);
/* The one before is in force: in memory, and the store follows. */
void zs_revisions_step_back(struct zs_revisions *r);
/* Once more what could not be stored. */
void zs_revisions_settle(struct zs_revisions *r);

/* trial.c */
void zs_trial_begin(struct zs_revisions *r);
void zs_trial_end(struct zs_revisions *r);
uint32_t zs_trial_left(const struct zs_revisions *r); /* seconds by the clock of the wall */

#endif
