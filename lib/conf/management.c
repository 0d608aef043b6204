/* The relay takes no interface that the machine is managed by, unless the owner says so of an af_xdp port: there the kernel
 * keeps all but the relay's own UDP ports. */
#include <errno.h>
#include <string.h>
#include "conf/conf.h"

const char *zs_conf_port_netdev(const struct zs_conf_port *p, char buf[16])
{
	if (p->driver == ZS_DRIVER_PCI)
		return zs_management_pci(p->device, buf) ? buf : NULL;
	return p->driver == ZS_DRIVER_AF_XDP || p->driver == ZS_DRIVER_AF_PACKET ? p->device : NULL;
}

int zs_conf_port_spares(const struct zs_conf_port *p, const struct zs_management *m, struct zs_error *err)
{
	char buf[16];
	const char *device = zs_conf_port_netdev(p, buf);
	enum zs_management_why why = device && !p->shared ? zs_management_by(m, device) : ZS_MANAGEMENT_NOT;

	if (!why)
		return 0;
	return zs_error_set(err, -EPERM, ZS_EXIT_CONFIG, "port %s: %s %s; name another interface%s", p->name,
			    device, zs_management_text(why),
			    p->driver == ZS_DRIVER_PCI ? ", or you lose the machine"
						       : ", or say shared: true of an af_xdp port");
}

int zs_conf_spares_management(const struct zs_conf *conf, struct zs_error *err)
{
	struct zs_management m;
	bool asked = false;
	char buf[16];
	int rc = 0;

	for (uint32_t i = 0; !rc && i < conf->dataplane.ports; i++) {
		const struct zs_conf_port *p = &conf->dataplane.port[i];

		if (p->shared || !zs_conf_port_netdev(p, buf))
			continue;
		if (!asked && (rc = zs_management_read(&m)))
			return zs_error_set(err, rc, ZS_EXIT_RESOURCE,
					    "cannot see which interface the machine is managed by: %s",
					    strerror(-rc));
		asked = true;
		rc = zs_conf_port_spares(p, &m, err);
	}
	return rc;
}
