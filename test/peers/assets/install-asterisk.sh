#!/bin/sh
# Puts Debian's Asterisk 22 into a folder: nothing of the host is touched, and no root is needed, here or to run it.
# It is in neither bookworm nor trixie, so it comes from forky (or sid) with that suite's own C library beside it.
# apt-get with a private state only downloads; dpkg-deb unpacks. The stamp file is written last.
# Run under flock(1): the second of two callers finds the stamp and has nothing to do.
# usage: install-asterisk.sh FOLDER
set -eu
dest=$1
[ ! -f "$dest/.complete" ] || exit 0
[ "$(dpkg --print-architecture)" = amd64 ] || { echo 'only amd64 is supported' >&2; exit 1; }
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort -u | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -n "$mirror" ] && [ -f "$keys" ] || { echo 'no Debian mirror configured, or no debian-archive-keyring' >&2; exit 1; }

rm -rf "$dest"
mkdir -p "$dest"
chosen=
for suite in forky sid; do
  apt=$dest/.apt-$suite
  mkdir -p "$apt/etc/preferences.d" "$apt/etc/apt.conf.d" "$apt/state/lists/partial" "$apt/cache/archives/partial"
  : > "$apt/status"
  echo "deb [signed-by=$keys] $mirror $suite main" > "$apt/etc/sources.list"
  set -- -q -o "Dir::Etc=$apt/etc" -o "Dir::Etc::sourcelist=$apt/etc/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::Etc::parts=- -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" \
    -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=2 -o Debug::NoLocking=1
  [ "$(id -u)" != 0 ] || set -- "$@" -o APT::Sandbox::User=root
  if apt-get "$@" update && apt-get "$@" install -y --download-only asterisk; then
    chosen=$apt
    break
  fi
  echo "suite $suite has no installable asterisk" >&2
done
[ -n "$chosen" ] || { echo 'no suite has an installable asterisk' >&2; exit 1; }

root=$dest/root
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
# What the server never runs: 40% of the size.
skip='/(perl|libperl|perl-base|perl-modules|gnupg|gpg|dirmngr|gpgsm|gpgconf|gpg-agent|pinentry|libsnmp-base|pci\.ids|tzdata|libc-gconv-modules-extra|passwd|adduser|libcodec2|libicu|debconf|openssl-provider-legacy)[^/]*_[^/]*\.deb$'
for package in "$chosen"/cache/archives/*.deb; do
  if echo "$package" | grep -Eq "$skip"; then continue; fi
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
done
ln -sfn en_US_f_Allison "$root/usr/share/asterisk/sounds/en"
lib=$root/usr/lib/x86_64-linux-gnu
cat > "$dest/asterisk" <<WRAPPER
#!/bin/sh
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$root/usr/lib" "$root/usr/sbin/asterisk" "\$@"
WRAPPER
chmod 755 "$dest/asterisk"
rm -rf "$dest"/.apt-*
"$dest/asterisk" -V > "$dest/.complete.new"
mv "$dest/.complete.new" "$dest/.complete"
