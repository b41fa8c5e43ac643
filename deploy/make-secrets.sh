#!/bin/sh
# Makes what deploy/compose.yaml reads from deploy/secrets: the database's password, the key that seals secrets, a private CA
# and three certificates. Run it as root, so that each file belongs to the account that reads it.
#
#   make-secrets.sh [--name api.example.net] [--directory DIR]     everything, into a folder that must not exist
#   make-secrets.sh --renew [--name …] [--directory DIR]           new certificates alone, written over the old ones; Envoy's own
#                                                                  stays if it did not come from the private CA
set -eu
umask 077

BRIDGX=10001:10001   # deploy/Containerfile
POSTGRES=999:999     # the postgres image
DAYS=397

name=
directory=$(dirname "$0")/secrets
renew=no
while [ $# -gt 0 ]; do
  case $1 in
    --name) name=$2; shift 2 ;;
    --directory) directory=$2; shift 2 ;;
    --renew) renew=yes; shift ;;
    *) echo "unknown argument $1" >&2; exit 2 ;;
  esac
done

own() {  # account, file
  chmod 0400 "$2"
  if [ "$(id -u)" = 0 ]; then chown "$1" "$2"; fi
}

issue() {  # file, names
  work=$(mktemp -d)
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$work/key" -out "$work/request" 2>/dev/null
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n' "$2" > "$work/extensions"
  openssl x509 -req -in "$work/request" -CA "$directory/ca.pem" -CAkey "$directory/ca.key" -days "$DAYS" \
    -extfile "$work/extensions" -out "$work/certificate" 2>/dev/null
  # Over the old content, not in its place: a container sees the file that was there when it was started.
  for pair in "certificate $1.pem" "key $1.key"; do
    target=$directory/${pair#* }
    if [ -e "$target" ]; then chmod 0600 "$target"; fi
    cat "$work/${pair% *}" > "$target"
    own "$BRIDGX" "$target"
  done
  rm -r "$work"
}

if [ "$renew" = yes ]; then
  if [ ! -e "$directory/ca.key" ]; then echo "$directory/ca.key is not there: bring it back to renew" >&2; exit 1; fi
  issue server DNS:server
  issue edge-client DNS:edge
  if openssl verify -CAfile "$directory/ca.pem" "$directory/edge.pem" > /dev/null 2>&1; then
    old=$(openssl x509 -in "$directory/edge.pem" -noout -ext subjectAltName | sed -n 's/.*DNS://p')
    issue edge "DNS:${name:-$old}"
  fi
  exit 0
fi

if [ -e "$directory" ]; then echo "$directory exists, and nothing in it is overwritten" >&2; exit 1; fi
mkdir -p "$directory"
openssl rand -hex 32 > "$directory/secret-key"
password=$(openssl rand -hex 24)
printf '%s' "$password" > "$directory/database-password"
printf 'database_url = "postgresql://bridgx:%s@database:5432/bridgx"\n' "$password" > "$directory/settings.toml"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=BridgX private CA" \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$directory/ca.key" -out "$directory/ca.pem" 2>/dev/null
own "$BRIDGX" "$directory/secret-key"
own "$BRIDGX" "$directory/settings.toml"
own "$BRIDGX" "$directory/ca.pem"
own "$POSTGRES" "$directory/database-password"
chmod 0400 "$directory/ca.key"
issue server DNS:server
issue edge-client DNS:edge
issue edge "DNS:${name:-localhost}"
echo "made $directory. Keep a copy of secret-key apart from the database's backups, and take ca.key away from this machine."
