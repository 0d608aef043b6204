#include "cpu/idle.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>
#include "core/cases.h"
#include "core/tsc.h"

#define GAP 1000 /* cycles: who was away for longer had to give way */

static void *count(void *arg)
{
	struct zs_idle_cpu *c = arg;
	struct sched_param none = { 0 };
	uint64_t n = 0, last, now;

	zs_pin(c->cpu);
	sched_setscheduler(0, SCHED_IDLE, &none);
	for (last = zs_tsc(); !atomic_load_explicit(c->stop, memory_order_relaxed); last = now) {
		now = zs_tsc();
		n += now - last < GAP ? now - last : 0;
		atomic_store_explicit(&c->count, n, memory_order_relaxed);
	}
	return NULL;
}

int zs_idle_open(struct zs_idle *i, struct zs_error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	atomic_store(&i->stop, false);
	for (i->cpus = 0; i->cpus < ZS_IDLE_CPUS && i->cpus < cpus; i->cpus++) {
		struct zs_idle_cpu *c = &i->cpu[i->cpus];

		c->cpu = (int)i->cpus;
		c->stop = &i->stop;
		atomic_store(&c->count, 0);
		if (pthread_create(&c->thread, NULL, count, c)) {
			zs_idle_close(i);
			return zs_error_set(err, -EAGAIN, ZS_EXIT_RESOURCE, "no thread for each CPU");
		}
	}
	return 0;
}

void zs_idle_close(struct zs_idle *i)
{
	atomic_store(&i->stop, true);
	for (uint32_t k = 0; k < i->cpus; k++)
		pthread_join(i->cpu[k].thread, NULL);
	i->cpus = 0;
}

uint64_t zs_idle_sum(const struct zs_idle *i)
{
	uint64_t sum = 0;

	for (uint32_t k = 0; k < i->cpus; k++)
		sum += atomic_load_explicit(&i->cpu[k].count, memory_order_relaxed);
	return sum;
}
