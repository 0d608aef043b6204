/* Link addresses that the kernel speaks to through a port's twin: its neighbours, as far as it has any use for them. Who floods a
 * link from addresses of his own draw does not get among them by that, and pushes none out: an address stays while the kernel
 * sends to it. Any worker, at once: a word is one address. */
#ifndef ZS_DATAPLANE_CONTACTS_H
#define ZS_DATAPLANE_CONTACTS_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_CONTACTS	 256 /* power of two */
#define ZS_CONTACT_WAYS	 4   /* that one address may lie in */
#define ZS_CONTACT_OLD_S 300 /* after the last frame: BGP's keepalives come sooner */

struct zs_contacts {
	uint64_t key;			    /* random */
	_Atomic uint64_t word[ZS_CONTACTS]; /* link address << 16 | second; 0: free */
};

/* The kernel has sent `frame` (at least an Ethernet header): notes whom to, unless it only resolves addresses. */
void zs_contacts_note(struct zs_contacts *c, const uint8_t *frame, uint32_t len, uint64_t now_ns);
bool zs_contacts_know(const struct zs_contacts *c, const uint8_t mac[6], uint64_t now_ns);

#endif
