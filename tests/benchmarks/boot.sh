# A small machine in namespaces of its own: an overlay of this one's files, a cgroup, and a real systemd as process 1.
# Everything it writes is in memory and gone with it.  See systemd.py, which sets:
#   FOLDER (empty), SOURCE (the project), BASE and LIBRARIES (of the Python that runs), BUNDLE
set -e
ROOT=$FOLDER/root
mkdir "$ROOT" "$FOLDER/memory"
mount -t tmpfs tmpfs "$FOLDER/memory"
mkdir "$FOLDER/memory/upper" "$FOLDER/memory/work"
mount -t overlay -o "lowerdir=/,upperdir=$FOLDER/memory/upper,workdir=$FOLDER/memory/work" overlay "$ROOT"

mount -t proc proc "$ROOT/proc"
mount --bind "$ROOT/proc/sys" "$ROOT/proc/sys"
mount -o remount,bind,ro "$ROOT/proc/sys"
mount -t sysfs -o ro sysfs "$ROOT/sys"
mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- $device
    mknod -m 666 "$ROOT/dev/$1" c "$2" "$3"
done
mkdir "$ROOT/dev/pts" "$ROOT/dev/shm" "$ROOT/old"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$ROOT/dev/pts"
ln -s pts/ptmx "$ROOT/dev/ptmx"
mount -t tmpfs tmpfs "$ROOT/dev/shm"

# The sandbox of the unit hides /home, /root and /tmp, where this Python and the project may lie.
mkdir -p "$ROOT/opt/python" "$ROOT/opt/libraries" "$ROOT/opt/station/venv/bin" "$ROOT/etc/station" "$ROOT/srv/pictures"
mount --bind "$BASE" "$ROOT/opt/python"
mount --bind "$LIBRARIES" "$ROOT/opt/libraries"
cp -r "$SOURCE/station" "$SOURCE/config" "$ROOT/opt/station/"
cat > "$ROOT/opt/station/venv/bin/station" <<'END'
#!/bin/sh
export PYTHONHOME=/opt/python LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/station:/opt/libraries
exec /opt/python/bin/python3 -m station "$@"
END
chmod -R a+rX "$ROOT/opt/station" "$ROOT/srv"
chmod 755 "$ROOT/opt/station/venv/bin/station"
cp "$FOLDER/station.toml" "$ROOT/etc/station/"
mkdir -p "$ROOT/var/lib/station/models"
cp -r "$BUNDLE" "$ROOT/var/lib/station/models/current"
chroot "$ROOT" useradd --system --home-dir /var/lib/station --shell /usr/sbin/nologin station
chroot "$ROOT" chown -R station:station /var/lib/station

cp "$SOURCE/deploy/station.service" "$ROOT/etc/systemd/system/"
mkdir -p "$ROOT/etc/systemd/system/station.service.d"
printf '[Service]\nWatchdogSec=10\nRestartSec=1\n' > "$ROOT/etc/systemd/system/station.service.d/quick.conf"
rm -f "$ROOT/etc/machine-id"
echo 0123456789abcdef0123456789abcdef > "$ROOT/etc/machine-id"

cd "$ROOT"
pivot_root . old
umount -l /old
exec env -i container=benchmark PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target
