#!/bin/sh
# Installs Debian packages without starting their daemons. Run as root, under flock(1): see src/peer-install.ts.
# usage: install-packages.sh PACKAGE...
set -eu
POLICY=/usr/sbin/policy-rc.d
MARK='# written by ictcore test-peers for the time of one installation'

# invoke-rc.d and deb-systemd-invoke both ask policy-rc.d; 101 means "action forbidden by policy".
# A file of somebody else (container images ship one) is left as it is.
ours=no
if [ ! -e "$POLICY" ] || grep -qxF "$MARK" "$POLICY"; then
  ours=yes
  trap 'rm -f "$POLICY"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" > "$POLICY"
  chmod 0755 "$POLICY"
fi
[ "$ours" = yes ] || echo "install-packages: keeping the existing $POLICY" >&2

export DEBIAN_FRONTEND=noninteractive
# Postfix must not invent a mail configuration for the host: without main.cf its service never starts either.
for package in "$@"; do
  if [ "$package" = postfix ] && ! dpkg-query -W -f='${Status}' postfix 2>/dev/null | grep -q 'ok installed'; then
    printf 'postfix postfix/main_mailer_type select No configuration\n' | debconf-set-selections
  fi
done

# --no-remove: another mail server on the host is never thrown out to make room for a test peer.
install() {
  apt-get install -y -q --no-install-recommends --no-remove \
    -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confold -- "$@"
}
if install "$@"; then exit 0; fi
# Unknown package or a package file that is gone from the mirror: the lists are missing or old.
apt-get update -q -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=300
install "$@"
