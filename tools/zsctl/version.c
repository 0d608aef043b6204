#include "zsctl.h"
#include "version.h"

const char *zsctl_version(void)
{
	return ZS_VERSION;
}
