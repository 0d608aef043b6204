/* A device has pairs ("combined"), queues of one direction, or both: what works is their sum. */
#include "net/channels.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t at_least_one(uint32_t n)
{
	return n ? n : 1;
}

int zs_channels_of(const char *device, struct zs_channels *out)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq ifr = { .ifr_data = (char *)&c };
	int fd, rc;

	*out = (struct zs_channels){ 1, 1 };
	if (strlen(device) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	strcpy(ifr.ifr_name, device); /* length checked above */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
	close(fd);
	if (rc)
		return rc == -EOPNOTSUPP ? 0 : rc;
	out->rx = at_least_one(c.combined_count + c.rx_count);
	out->tx = at_least_one(c.combined_count + c.tx_count);
	return 0;
}
