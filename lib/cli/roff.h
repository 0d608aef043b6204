/* Pieces of manual pages, for programs that print theirs from the tables that drive them. One thread. */
#ifndef ZS_CLI_ROFF_H
#define ZS_CLI_ROFF_H

#include <stdio.h>

/* `text` so that it reads as it is written, in the middle of a line or at its start. */
void zs_roff(FILE *to, const char *text);
/* The heads of page `section` up to the description, which follows. */
void zs_roff_begin(FILE *to, const char *program, unsigned section, const char *purpose,
		   const char *synopsis);
/* An entry of a list: what stands before it, in bold, and what it means. */
void zs_roff_entry(FILE *to, const char *dashes, const char *name, const char *value, const char *text);
/* EXIT STATUS: of `values`, or all there are (NULL). */
void zs_roff_exits(FILE *to, const int *values, unsigned count);

#endif
