#!/bin/sh
# Installs mnemosync out of the folder of its archive. Only Node is needed besides.
#
#   ./install.sh [--prefix DIR] [--systemd] [--uninstall]
#
#   --prefix DIR   DIR/lib/mnemosync and DIR/bin/mnemosync (default /usr/local)
#   --systemd      the unit too, into /etc/systemd/system, with an example of its environment; it is not started
#   --uninstall    removes what was installed; settings and data stay
set -eu

prefix=/usr/local
systemd=no
uninstall=no
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
    --prefix=*) prefix=${1#--prefix=}; shift ;;
    --systemd) systemd=yes; shift ;;
    --uninstall) uninstall=yes; shift ;;
    *) echo "install: unknown argument $1: expected --prefix DIR, --systemd or --uninstall" >&2; exit 2 ;;
  esac
done

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
library=$prefix/lib/mnemosync
program=$prefix/bin/mnemosync
unit=/etc/systemd/system/mnemosync.service

if [ "$uninstall" = yes ]; then
  rm -f "$program"
  rm -rf "$library"
  [ "$systemd" = no ] || rm -f "$unit"
  echo "mnemosync is removed from $prefix; settings and data are where they were"
  exit 0
fi

node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1);' 2>/dev/null || {
  echo "install: mnemosync needs Node 20.19 or newer on the PATH: https://nodejs.org" >&2
  exit 1
}

mkdir -p "$prefix/lib" "$prefix/bin"
# Beside the old one first: a copy that fails half-way leaves that as it was.
rm -rf "$library.new"
cp -R "$here" "$library.new"
rm -rf "$library.old"
[ ! -e "$library" ] || mv "$library" "$library.old"
mv "$library.new" "$library"
rm -rf "$library.old"
ln -sf ../lib/mnemosync/dist/program/main.js "$program"

if [ "$systemd" = yes ]; then
  sed "s|^ExecStart=/usr/local/bin/mnemosync|ExecStart=$program|" "$library/ops/systemd/mnemosync.service" >"$unit"
  if [ ! -e /etc/mnemosync/environment ]; then
    mkdir -p /etc/mnemosync
    (umask 077 && cp "$library/ops/systemd/environment.example" /etc/mnemosync/environment)
    echo "fill in /etc/mnemosync/environment and make a key, as it says; then: systemctl daemon-reload && systemctl enable --now mnemosync"
  fi
  # For the keys: systemd gives it to the user of the service. After the first start it is a link.
  [ -e /var/lib/mnemosync ] || (umask 077 && mkdir /var/lib/mnemosync)
fi

echo "$("$program" --version) is installed: $program"
[ -d "$library/binding" ] || echo "the vector index needs the FAISS binding: run $program setup"
