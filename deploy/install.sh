#!/usr/bin/env bash
# Puts the station on a Debian box as a service, upgrades it, goes back, and takes it away again.
#
#   sudo deploy/install.sh              install, or upgrade what is there; again changes nothing
#   sudo deploy/install.sh rollback     back to the program of before, with the database of before if need be
#   sudo deploy/install.sh uninstall    takes the program away; configuration and data stay
#
# Options:
#   --no-start     leave the service as it is: neither stopped nor started
#   --root DIR     everything below DIR, for a trial: no user is made, systemd is not spoken to
# Environment:
#   STATION_PYTHON   a Python that has every library already, torch too: nothing is downloaded, the libraries are
#                    used where they are and the program is copied.  Without it pip installs both (minutes, GBs).
#
#   /opt/station/venvs/…     the programs, one environment each; /opt/station/venv links to the one in service
#   /etc/station             the configuration; copied when there is none, never changed afterwards
#   /var/lib/station         database, models, spool, backups
set -euo pipefail

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROOT=${DESTDIR:-}
START=yes
RAN=no # whether the service ran before this script stopped it
TASK=install

say() { printf 'station: %s\n' "$*"; }
complain() { printf 'station: %s\n' "$*" >&2; return 1; }
die() { printf 'station: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case $1 in
        install | upgrade) TASK=install ;;
        rollback | uninstall) TASK=$1 ;;
        --no-start) START=no ;;
        --root) [ $# -gt 1 ] || die "--root wants a folder"; ROOT=$2; shift ;;
        -h | --help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) die "$1 is not known; see $0 --help" ;;
    esac
    shift
done

if [ -n "$ROOT" ]; then
    mkdir -p "$ROOT"
    ROOT=$(cd "$ROOT" && pwd)
    START=no
elif [ "$(id -u)" -ne 0 ]; then
    die "this changes the system: run it with sudo (or try it with --root DIR)"
fi
OPT=$ROOT/opt/station
ETC=$ROOT/etc/station
STATE=$ROOT/var/lib/station
UNIT=$ROOT/etc/systemd/system/station.service
COMMAND=$ROOT/usr/local/bin/station
CONFIG=$ETC/station.toml

# What the system has to do with it; nothing of this in a trial.

wants_packages() {
    [ -z "$ROOT" ] && [ -z "${STATION_PYTHON:-}" ] || return 0
    local missing=()
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ ${#missing[@]} -eq 0 ] && return 0
    say "installing ${missing[*]}"
    apt-get update --quiet && apt-get install --yes --quiet "${missing[@]}"
}

make_user() {
    [ -z "$ROOT" ] || return 0
    getent passwd station >/dev/null ||
        useradd --system --user-group --home-dir /var/lib/station --no-create-home --shell /usr/sbin/nologin station
    for group in video render; do # of the GPU's devices
        if getent group "$group" >/dev/null; then usermod --append --groups "$group" station; fi
    done
}

give() { # to the station's user
    [ -n "$ROOT" ] || chown station:station "$@"
}

as_station() {
    if [ -n "$ROOT" ]; then
        (cd "$STATE" && "$@")
    else
        (cd "$STATE" && runuser -u station -- "$@")
    fi
}

systemd() {
    if [ -n "$ROOT" ] || ! [ -d /run/systemd/system ]; then return 0; fi
    systemctl "$@"
}

service() { # stop or start
    [ "$START" = yes ] && [ -e "$UNIT" ] || return 0
    if [ -d /run/systemd/system ] && systemctl is-active --quiet station.service; then RAN=yes; fi
    systemd "$1" station.service
}

# A program is an environment of its own.

fingerprint() {
    (cd "$SOURCE" && find station training config/species pyproject.toml deploy -type f ! -path '*/__pycache__/*' -print0 |
        sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-12)
}

build() { # the environment $1
    say "installing into $1 ..."
    mkdir -p "$(dirname "$1")"
    if [ -n "${STATION_PYTHON:-}" ]; then
        borrow "$1"
    else
        python3 -m venv "$1" &&
            "$1/bin/python" -m pip install --quiet --disable-pip-version-check \
                --constraint "$SOURCE/deploy/constraints.txt" "$SOURCE[openvino]"
    fi &&
        { as_station "$1/bin/station" --help >/dev/null || complain "the user station cannot run $1/bin/station"; } &&
        mkdir -p "$1/share/station" &&
        cp "$SOURCE/deploy/station.service" "$1/share/station/" &&
        fingerprint >"$1/share/station/fingerprint"
}

borrow() { # libraries that are there already
    local libraries own
    libraries=$("$STATION_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') &&
        "$STATION_PYTHON" -m venv --without-pip "$1" &&
        own=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') &&
        printf '%s\n' "$libraries" >"$own/libraries.pth" &&
        cp -R "$SOURCE/station" "$SOURCE/training" "$own/" &&
        mkdir -p "$own/station/species_files" &&
        cp "$SOURCE"/config/species/* "$own/station/species_files/" &&
        printf '#!%s\nfrom station.__main__ import main\n\nmain()\n' "$1/bin/python" >"$1/bin/station" &&
        chmod 0755 "$1/bin/station" &&
        "$1/bin/python" -m compileall -q "$own/station" "$own/training"
}

in_service() { # the environment in service, or nothing
    if [ -L "$OPT/venv" ]; then readlink -f "$OPT/venv"; fi
}

switch_to() { # the environment $1, with its unit
    ln -sfn "venvs/$(basename "$1")" "$OPT/.venv.new" &&
        mv -T "$OPT/.venv.new" "$OPT/venv" &&
        install -D -m 0644 "$1/share/station/station.service" "$UNIT" &&
        systemd daemon-reload
}

# Configuration and state.

lay_out() {
    install -d -m 0755 "$ETC" "$OPT/venvs" "$(dirname "$COMMAND")"
    install -d -m 0750 "$STATE" "$STATE/models" "$STATE/spool" "$STATE/backups"
    give "$STATE" "$STATE/models" "$STATE/spool" "$STATE/backups"
    ln -sfn "$OPT/venv/bin/station" "$COMMAND"
    [ -e "$CONFIG" ] && return 0
    sed -e "s#^database = .*#database = \"$STATE/station.db\"#" \
        -e "s#^bundle = .*#bundle = \"$STATE/models/current\"#" \
        -e "s#^spool = .*#spool = \"$STATE/spool\"#" "$SOURCE/config/station.toml" >"$CONFIG.new"
    chmod 0640 "$CONFIG.new"
    [ -n "$ROOT" ] || chown root:station "$CONFIG.new"
    mv "$CONFIG.new" "$CONFIG"
    say "wrote $CONFIG: write your cameras into it"
}

configured() { # the path station.$1, where the configuration has it
    (cd / && "$OPT/venv/bin/python" -c 'import sys; from pathlib import Path; from station import settings
print(getattr(settings.load(Path(sys.argv[1])).station, sys.argv[2]))' "$CONFIG" "$1")
}

back_up() { # to the file $1, by the program in service; nothing where there is no database yet
    local file
    file=$(configured database) || return 1
    [ -e "$file" ] || return 0
    as_station "$OPT/venv/bin/station" backup "$1" --config "$CONFIG"
}

migrate() { as_station "$OPT/venv/bin/station" migrate --config "$CONFIG"; }

not_in_use() { # the database; a station or a command that writes to it holds its lock
    local file
    file=$(configured database) || return 0 # the backup will complain
    ! [ -e "$file.lock" ] || flock --nonblock "$file.lock" true ||
        complain "the database $file is in use: stop the station first (systemctl stop station)"
}

ready_to_start() { [ "$RAN" = yes ] || [ -e "$(configured bundle 2>/dev/null)/card.json" ]; }

start() {
    if [ "$START" = yes ] && ready_to_start; then service start; fi
}

go_back() { # to the environment $1, and to the backup $2 if its program is too old for the database as it is now
    local told
    switch_to "$1" || return 1
    if told=$(migrate 2>&1); then return 0; fi
    case $told in
        *"made by a newer station"*) ;;
        *) complain "$told"; return 1 ;;
    esac
    [ -n "$2" ] && [ -e "$2" ] || { complain "there is no backup to go back to"; return 1; }
    say "the old program is too old for the database; restoring $2"
    # By root: the configuration is root's; what it puts into the state belongs to the state's owner.
    (cd "$STATE" && "$OPT/venv/bin/station" restore "$2" --config "$CONFIG")
}

only_one() {
    install -d -m 0755 "$OPT"
    exec 9>"$OPT/.lock"
    flock --nonblock 9 || die "another installation is under way"
}

tidy() { # environments that are neither in service nor the way back; backups but for the newest five
    local keep_one keep_two venv
    keep_one=$(basename "$(in_service)")
    keep_two=$(basename "$(readlink -f "$OPT/previous" 2>/dev/null || true)")
    for venv in "$OPT"/venvs/*; do # by name: /opt may be a link, and a path then has two spellings
        case $(basename "$venv") in "$keep_one" | "$keep_two") ;; *) rm -rf "$venv" ;; esac
    done
    find "$STATE/backups" -name 'before-*.tar.gz' -printf '%T@ %p\n' | sort -rn | tail -n +6 | cut -d ' ' -f 2- |
        while IFS= read -r old; do rm -f "$old"; done
}

next_steps() {
    ready_to_start && return 0
    cat <<END
station: installed, not started: there is no model yet.
  1. cp -r BUNDLE $STATE/models/first && ln -sfn first $STATE/models/current && chown -R station: $STATE/models
  2. write your cameras into $CONFIG
  3. sudo -u station station check --config $CONFIG
  4. sudo systemctl start station
END
}

do_install() {
    local old new backup
    wants_packages
    make_user
    only_one
    lay_out
    old=$(in_service)
    if [ -n "$old" ] && [ "$(cat "$old/share/station/fingerprint" 2>/dev/null)" = "$(fingerprint)" ]; then
        switch_to "$old"
        systemd enable --quiet station.service
        start || die "the service does not start: journalctl -u station"
        say "this version is installed already"
        next_steps
        return 0
    fi
    [ -z "$old" ] || [ "$START" = yes ] || not_in_use || die "nothing was changed"
    new=$OPT/venvs/$(date +%Y%m%d-%H%M%S)-$(fingerprint)
    if ! build "$new"; then
        rm -rf "$new"
        die "the new program could not be installed; nothing was changed"
    fi
    backup=$STATE/backups/before-$(basename "$new").tar.gz
    service stop
    if [ -n "$old" ]; then
        if ! { not_in_use && back_up "$backup"; }; then
            rm -rf "$new"
            start || true
            die "no backup could be made, so nothing was changed"
        fi
    fi
    if ! { switch_to "$new" && migrate && systemd enable --quiet station.service && start; }; then
        [ -n "$old" ] || die "the station was installed but does not start: journalctl -u station"
        say "the new program does not work here; going back to the old one"
        service stop || true
        go_back "$old" "$backup" || die "going back failed: the old program is $old, the backup $backup"
        rm -rf "$new"
        start || die "the old program does not start either: journalctl -u station"
        die "the old program and its database are in service again"
    fi
    if [ -n "$old" ]; then
        ln -sfn "venvs/$(basename "$old")" "$OPT/previous"
        printf '%s\n' "$backup" >"$OPT/previous.backup"
    fi
    tidy
    say "installed${old:+; \`deploy/install.sh rollback\` goes back}"
    next_steps
}

do_rollback() {
    local old current backup
    only_one
    [ -L "$OPT/previous" ] || die "there is no program to go back to"
    old=$(readlink -f "$OPT/previous")
    current=$(in_service)
    backup=$(cat "$OPT/previous.backup" 2>/dev/null || true)
    [ -x "$old/bin/station" ] || die "the program of before is gone: $old"
    service stop
    not_in_use || { start || true; die "nothing was changed"; }
    if ! go_back "$old" "$backup"; then
        switch_to "$current" && start || true
        die "the old program cannot be put back; the newer one is in service again"
    fi
    ln -sfn "venvs/$(basename "$current")" "$OPT/previous"
    rm -f "$OPT/previous.backup"
    start || die "the old program does not start: journalctl -u station"
    say "back to $(basename "$old")"
}

do_uninstall() {
    if [ "$START" = yes ] && [ -e "$UNIT" ]; then systemd disable --now --quiet station.service || true; fi
    rm -f "$UNIT"
    if [ -L "$COMMAND" ]; then rm -f "$COMMAND"; fi
    rm -rf "$OPT"
    systemd daemon-reload
    say "the program is gone; left in place: $ETC, $STATE, and the user station"
}

"do_$TASK"
