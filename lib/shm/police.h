/* Policing and metering as they lie in shared memory: limits the way a worker wants them, buckets, leases and
 * meter cells. The rules are in shm/policer.h, who writes what is said at each struct.
 *
 * A bucket is one 64-bit number, the theoretical arrival time of the next unit (GCRA): ns of the monotonic clock
 * that every worker's `now` is of. It is full while the number lies in the past; what passes moves it on by its
 * cost. Buckets are the only words that several workers write, by compare-and-swap. */
#ifndef ZS_SHM_POLICE_H
#define ZS_SHM_POLICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The way a packet goes, numbered as in the keys (docs/PROTOCOL.md). Every limit and cell is of one direction. */
enum zs_way { ZS_TO_EDGE, ZS_FROM_EDGE, ZS_DIRECTIONS };

/* Limits in the units people use; 0 = unlimited. */
struct zs_police_limits {
	uint64_t bit_s, pkt_s; /* of UDP payload (the inner one of tunnels) */
	uint64_t burst;	       /* bytes; 0: 10 ms of the rate, two packets at least */
	uint32_t flows, new_flows_s;
};

/* A rate without a division: what a unit costs, and how far a bucket may run ahead. */
struct zs_rate {
	uint32_t mult; /* ns a unit << shift; 0: unlimited */
	uint32_t shift : 6;
	uint32_t depth_us : 26;
};

/* Limits as a worker wants them; made by zs_police_of when a policy changes. */
struct zs_police {
	struct zs_rate bytes, packets, new_flows;
	uint32_t flows;		 /* 0: unlimited */
	uint16_t quantum;	 /* of a lease, in steps of ZS_POLICE_STEP bytes; 0: no byte rate */
	uint16_t packet_quantum; /* … in packets; 0: no packet rate */
};
_Static_assert(sizeof(struct zs_police) == 32, "half a line");

#define ZS_POLICE_STEP	 16	     /* a quantum of 64 KiB fits 16 bits */
#define ZS_POLICE_LEASE	 (64u << 10) /* bytes of a lease at most */
#define ZS_POLICE_PACKET 1500	     /* two of these are the smallest burst unless a policy says another */

#define ZS_POLICE_DEPTH_S 67 /* the longest burst, in seconds of its rate: what 26 bits of µs hold */

/* The longest burst at that rate, bytes; 0: there is no rate, any burst is as good. */
uint64_t zs_police_burst_max(uint64_t bit_s);
/* Control plane. Depth: limits->burst, no longer than that, else 10 ms of the rate and two packets; of new flows a second's worth. */
void zs_police_of(struct zs_police *out, const struct zs_police_limits *limits);
/* What each of `members` attachments of a tenant is sure of. */
void zs_police_share(struct zs_rate *bytes, struct zs_rate *packets, const struct zs_police_limits *tenant,
		     uint32_t members);

/* State segment, of an attachment or a tenant and a direction. Any worker, by CAS. */
struct zs_bucket {
	_Atomic uint64_t bytes, packets;
	_Atomic uint64_t share; /* an attachment's of its tenant: by bytes or packets, whatever costs more */
	_Atomic uint64_t new_flows;
};

struct zs_buckets {
	struct zs_bucket to[ZS_DIRECTIONS];
};
_Static_assert(sizeof(struct zs_buckets) == 64, "one line");

/* What a worker has taken from all buckets above a packet and not spent yet. */
struct zs_lease {
	uint32_t bytes;
	uint16_t packets;
	uint8_t share;	/* taken from the attachment's share too */
	uint8_t listed; /* the worker's list will bring it back */
	uint32_t since; /* ns >> ZS_LEASE_SHIFT */
};

/* What went one way; lies in the worker's line of an attachment (shm/hot.h). */
struct zs_meter {
	uint64_t bytes, packets;
};

/* State segment, of a worker and an attachment: that worker alone writes it. Packets of those without limits do not touch it. */
struct zs_account {
	struct zs_lease lease[ZS_DIRECTIONS];
	uint32_t flows;	 /* that this worker holds for the attachment */
	uint16_t tenant; /* that its flows are counted to */
	uint16_t pad;
};
_Static_assert(sizeof(struct zs_account) == 32, "half a line");

/* Worker: a packet's payload went out. */
static inline void zs_meter_add(struct zs_meter *m, uint32_t bytes)
{
	__atomic_store_n(&m->bytes, m->bytes + bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&m->packets, m->packets + 1, __ATOMIC_RELAXED);
}

#endif
