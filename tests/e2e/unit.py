#!/usr/bin/python3
"""Becomes the program of a unit as systemd would start it: user, capabilities, limits, mounts, system calls.

unit.py STAGE INSTANCE LAB UNIT…   as root, in the network namespace it shall have. STAGE: what `make install DESTDIR=` laid out, with
/etc/passwd by systemd-sysusers, on a file system of its own; the machine's own files lie below it, read-only. Or a whole Debian, mounts
and all. LAB has state/, run/ and bpf/, a bpf file
system as systemd mounts it (0700). Of several units all but the last are run to their end first (oneshot).

A directive that is in no table here ends it: whoever adds one to a unit says here what it means.
"""
import ctypes
import os
import resource
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
PR_CAPBSET_DROP, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 24, 8, 38, 47, 2
CAPS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12,
        "CAP_NET_RAW": 13, "CAP_IPC_LOCK": 14, "CAP_SYS_ADMIN": 21, "CAP_BPF": 39}
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17, "AF_XDP": 44}
# What the manager does around the process, and what the kernel holds against all programs of ours alike.
NOT_HERE = set("""Type NotifyAccess ExecReload Restart RestartSec RestartPreventExitStatus TimeoutStartSec TimeoutStopSec WatchdogSec
    FileDescriptorStoreMax RuntimeDirectoryPreserve ProtectKernelModules ProtectKernelLogs ProtectClock ProtectHostname
    ProtectProc RestrictNamespaces RestrictRealtime RestrictSUIDSGID IPAddressDeny LockPersonality MemoryDenyWriteExecute
    SystemCallArchitectures PrivateNetwork OOMScoreAdjust""".split())
HERE = set("""ExecStart User Group StateDirectory StateDirectoryMode RuntimeDirectory RuntimeDirectoryMode UMask LimitNOFILE LimitCORE
    LimitMEMLOCK CapabilityBoundingSet AmbientCapabilities NoNewPrivileges ProtectSystem ProtectHome PrivateTmp PrivateDevices DevicePolicy DeviceAllow
    ProtectKernelTunables ProtectControlGroups TemporaryFileSystem BindPaths ReadOnlyPaths InaccessiblePaths
    RestrictAddressFamilies SystemCallFilter SystemCallErrorNumber""".split())


def die(text):
    sys.exit("unit.py: " + text)


def call(name, *args):
    if getattr(LIBC, name)(*args) < 0:
        die(f"{name}{args}: {os.strerror(ctypes.get_errno())}")


def read_unit(path, instance):
    """{directive: [value, …]} of [Service]."""
    service, inside = {}, False
    for line in open(path):
        line = line.strip().replace("%i", instance)
        if line.startswith("["):
            inside = line == "[Service]"
        elif inside and line and line[0] != "#":
            name, value = line.split("=", 1)
            if name not in HERE | NOT_HERE:
                die(f"{path}: {name} is in no table of this test")
            service.setdefault(name, []).append(value)
    return service


def words(service, name):
    return " ".join(service.get(name, [])).split()


def one(service, name, default=None):
    return service.get(name, [default])[-1]


def run(*command):
    subprocess.run(command, check=True)


class Root:
    """The file system of the process, made in a mount namespace of its own."""

    def __init__(self, stage, instance, lab, service):
        self.at, self.lab, self.instance, self.service = lab + "/root", lab, instance, service
        call("unshare", CLONE_NEWNS)
        run("mount", "--make-rprivate", "/")
        os.makedirs(self.at, exist_ok=True)
        for name in words(service, "StateDirectory"):
            os.makedirs(f"{stage}/var/lib/{name}", exist_ok=True)
        assert one(service, "ProtectSystem") == "strict" and one(service, "PrivateTmp") == "yes"
        if os.path.exists(stage + "/etc/os-release"):
            run("mount", "--rbind", stage, self.at)
            run("mount", "-o", "remount,bind,ro", self.at)
        else:
            run("mount", "-t", "overlay", "-o", f"lowerdir={stage}:/", "overlay", self.at)
            for path in "/proc", "/sys":
                run("mount", "--rbind", path, self.at + path)
        self.bind(lab + "/bpf", "/sys/fs/bpf")
        self.devices()
        for path in ["/run", "/tmp"] + (["/root", "/home"] if one(service, "ProtectHome") == "yes" else []):
            self.tmpfs(path)

    def bind(self, source, path):
        run("mount", "--bind", source, self.at + path)

    def tmpfs(self, path, mode="0755"):
        run("mount", "-t", "tmpfs", "-o", "mode=" + mode, "tmpfs", self.at + path)

    def read_only(self, path):
        run("mount", "--rbind", self.at + path, self.at + path)
        run("mount", "-o", "remount,bind,ro", self.at + path)

    def devices(self):
        """What a closed policy allows, and no other node."""
        assert one(self.service, "DevicePolicy") == "closed" or one(self.service, "PrivateDevices") == "yes"
        more = [line.split()[0] for line in self.service.get("DeviceAllow", []) if line[0] == "/"]
        self.tmpfs("/dev")
        for path in ["/dev/" + name for name in ("null", "zero", "full", "random", "urandom", "tty")] + more:
            os.makedirs(os.path.dirname(self.at + path), exist_ok=True)
            open(self.at + path, "w").close()
            self.bind(path, path)
        for name in "shm", "hugepages":
            if os.path.isdir("/dev/" + name):
                os.mkdir(self.at + "/dev/" + name)
                self.bind("/dev/" + name, "/dev/" + name)

    def keep(self, directive, above, source, uid, gid):
        """StateDirectory and its like: the lab's folder under the name that the unit gives it."""
        for name in words(self.service, directive):
            path = f"{above}/{name}"
            os.chown(source, uid, gid)
            os.chmod(source, int(one(self.service, directive + "Mode", "0755"), 8))
            if not os.path.isdir(self.at + path):
                os.makedirs(self.at + path)
            self.bind(source, path)

    def paths(self):
        if one(self.service, "ProtectKernelTunables") == "yes":
            self.read_only("/proc/sys")
            self.read_only("/sys")
        if one(self.service, "ProtectControlGroups") == "yes" and os.path.isdir(self.at + "/sys/fs/cgroup"):
            self.read_only("/sys/fs/cgroup")
        shown = [(path, self.hold(path)) for path in words(self.service, "BindPaths")]
        for path in words(self.service, "ReadOnlyPaths"):
            if os.path.exists(self.at + path.lstrip("-")):
                self.read_only(path.lstrip("-"))
            elif path[0] != "-":
                die(f"ReadOnlyPaths={path}: there is none")
        for spec in words(self.service, "TemporaryFileSystem"):
            path, options = spec.split(":")
            self.tmpfs(path, options.removeprefix("mode="))
        for path, held in shown:
            os.makedirs(self.at + path, exist_ok=True)
            run("mount", "--move", held, self.at + path)
        for path in words(self.service, "InaccessiblePaths"):
            inside = self.at + path.lstrip("-")
            if os.path.isdir(inside):
                self.tmpfs(path.lstrip("-"), "0000")
            elif os.path.exists(inside):
                self.bind("/dev/null", path.lstrip("-"))

    def hold(self, path):
        """What stands there before something is mounted over it."""
        held = self.at + "/run/held"
        os.makedirs(held, exist_ok=True)
        run("mount", "--bind", self.at + path, held)
        return held

    def enter(self):
        socket = os.environ.get("NOTIFY_SOCKET")
        if socket:
            notify = os.path.dirname(socket)
            os.chmod(notify, 0o711)
            os.chmod(socket, 0o666)
            os.makedirs(self.at + notify)
            run("mount", "--bind", notify, self.at + notify)
        os.chroot(self.at)
        os.chdir("/")


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def members(name, known={}):
    """System calls of a name or @group."""
    if name[0] != "@":
        return {name}
    if name not in known:
        text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
        lines = [line.strip() for line in text.splitlines() if line.startswith("    ") and "#" not in line]
        known[name] = set().union(*(members(line) for line in lines))
    return known[name]


def filter_of(service):
    """A loaded libseccomp filter to be put in force, or None."""
    allowed = set()
    for line in service.get("SystemCallFilter", []):
        named = set().union(*(members(word) for word in line.lstrip("~").split()))
        allowed = allowed - named if line[0] == "~" else allowed | named
    if not allowed:
        return None
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(0x00050000 | 1)))  # EPERM
    families = [FAMILIES[word] for word in words(service, "RestrictAddressFamilies")]
    for name in allowed:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # of another architecture
        rows = [[Compare(0, 4, family, 0)] for family in families] if name == "socket" and families else [[]]
        for row in rows:
            if lib.seccomp_rule_add_array(context, ctypes.c_uint32(0x7fff0000), number, len(row), (Compare * len(row))(*row)):
                die(f"libseccomp takes no rule for {name}")
    return lambda: lib.seccomp_load(context)


def limits(service):
    for name in "NOFILE", "CORE", "MEMLOCK":
        value = one(service, "Limit" + name)
        if value:
            kind = getattr(resource, "RLIMIT_" + name)
            n = resource.RLIM_INFINITY if value == "infinity" else int(value)
            try:
                resource.setrlimit(kind, (n, n))
            except ValueError:  # raised above what this machine's root may: a container's
                resource.setrlimit(kind, resource.getrlimit(kind)[1:] * 2)
    os.umask(int(one(service, "UMask", "0022"), 8))


def become(service, uid, gid, load):
    bounding = {CAPS[word] for word in words(service, "CapabilityBoundingSet")}
    ambient = {CAPS[word] for word in words(service, "AmbientCapabilities")}
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    for cap in set(range(last + 1)) - bounding:
        call("prctl", PR_CAPBSET_DROP, cap, 0, 0, 0)
    os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    if uid:
        call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(uid, uid, uid)
        halves = [sum(1 << cap % 32 for cap in ambient if cap // 32 == half) for half in (0, 1)]
        head = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)(halves[0], halves[0], halves[0], halves[1], halves[1], halves[1])
        call("capset", head, data)
        for cap in ambient:
            call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0)
    assert one(service, "NoNewPrivileges") == "yes"
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if load and load():
        die("the unit's filter is refused")


def start(stage, instance, lab, unit):
    """Does not return."""
    service = read_unit(f"{stage}/usr/lib/systemd/system/{unit}@.service", instance)
    root = Root(stage, instance, lab, service)
    load = filter_of(service)
    commands = [line.split() for line in service["ExecStart"]]
    users = {line.split(":")[0]: line.split(":") for line in open(stage + "/etc/passwd")}
    user = users.get(one(service, "User"), ["root", "", "0", "0"])
    uid, gid = int(user[2]), int(user[3])
    root.keep("StateDirectory", "/var/lib", lab + "/state", uid, gid)
    root.keep("RuntimeDirectory", "/run", lab + "/run", uid, gid)
    root.paths()
    root.enter()
    limits(service)
    for command in commands[:-1]:
        child = os.fork()
        if child == 0:
            become(service, uid, gid, load)
            os.execv(command[0], command)
        if os.waitpid(child, 0)[1]:
            die(f"{unit}: {' '.join(command)} fails")
    become(service, uid, gid, load)
    os.execv(commands[-1][0], commands[-1])


def main():
    stage, instance, lab, *units = sys.argv[1:]
    for unit in units[:-1]:
        child = os.fork()
        if child == 0:
            os.environ.pop("NOTIFY_SOCKET", None)
            start(stage, instance, lab, unit)
        if os.waitpid(child, 0)[1]:
            die(f"{unit} fails")
    start(stage, instance, lab, units[-1])


main()
