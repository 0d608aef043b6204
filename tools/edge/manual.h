/* --help, the manual page and bash completion on stdout. */
#ifndef ZS_EDGE_MANUAL_H
#define ZS_EDGE_MANUAL_H

void zs_edge_help(void);
void zs_edge_man(void);
void zs_edge_completion(void);

#endif
