#!/bin/sh
# The first process of the machine: mounts, drivers, the test programs one after the other, off.
# What it says on the second serial line is read by machine.rs.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root RUST_BACKTRACE=1
export SHEAVE_TESTS_PREBUILT=1
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec </dev/null >/dev/ttyS1 2>&1
for module in /modules/*.ko; do
    insmod "$module"
done
ip link set lo up

while IFS='|' read -r name arguments limit_s directory executable; do
    cd "$directory"
    export CARGO_MANIFEST_DIR="$directory"
    echo "@@ begin $name"
    # What a test says is shown at once: a machine that hangs could not show it later.
    timeout -k 5 "$limit_s" "$executable" --nocapture $arguments </dev/null
    echo "@@ end $? $name"
done </programs

echo "@@ off"
poweroff -f
