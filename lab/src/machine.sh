# Makes the namespaces that this shell is in into a machine, then becomes its first process.
# Arguments: the machine's name, its directory, the program of the first process, the resolver's address.
set -e
name=$1 directory=$2 first=$3 resolver=$4

mount --make-rprivate /
hostname "$name"
# Other clusters' programs on this machine must not live on in copies of their mounts.
awk '$3 == "bpf" { print $2 }' /proc/self/mounts | while read -r at; do umount "$at" 2>/dev/null || true; done
# Said by the outer machine's cgroups, before they are covered.
trees=
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    for tree in /sys/fs/cgroup/*; do
        [ -L "$tree" ] || [ ! -d "$tree" ] || trees="$trees ${tree##*/}"
    done
fi

# What /proc and /sys show is what the process that mounts them can see.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
if [ -z "$trees" ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for tree in $trees; do
        mkdir "/sys/fs/cgroup/$tree"
        case $tree in
        unified) mount -t cgroup2 cgroup2 "/sys/fs/cgroup/$tree" ;;
        systemd) mount -t cgroup -o none,name=systemd cgroup "/sys/fs/cgroup/$tree" ;;
        *) mount -t cgroup -o "$tree" cgroup "/sys/fs/cgroup/$tree" ;;
        esac
    done
fi

# The disk: what survives when the machine is stopped. The rest of the files is the outer machine's.
mkdir -p "$directory/var/lib" "$directory/var/log" "$directory/var/tmp"
ln -sfn /run "$directory/var/run"
[ -e "$directory/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >"$directory/machine-id"
[ ! -e /etc/machine-id ] || mount --bind "$directory/machine-id" /etc/machine-id
# A machine that starts is another one to whoever remembers the boot before.
cat /proc/sys/kernel/random/uuid >"$directory/boot_id"
mount --bind "$directory/boot_id" /proc/sys/kernel/random/boot_id
echo "nameserver $resolver" >"$directory/resolv.conf"
mount -t tmpfs -o mode=755 tmpfs /run
resolv=$(readlink -m /etc/resolv.conf)
case $resolv in
/run/*) mkdir -p "${resolv%/*}" && cp "$directory/resolv.conf" "$resolv" ;;
*) [ ! -e "$resolv" ] || mount --bind "$directory/resolv.conf" "$resolv" ;;
esac

ip link set lo up
: >"$directory/started"
mount --bind "$directory/var" /var
exec "$first"
