# The certificates of a guide that many followed: `openssl x509 -req` without extensions gives version 1.
# $1: directory, $2: keep the authority's key, or not
mkdir -p "$1"
cd "$1"
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout ca.key -days 3650 -subj '/CN=RabbitMQ-CA' -out ca.crt 2>/dev/null
for name in server celery_worker; do
    openssl req -new -newkey rsa:2048 -nodes -keyout "$name.key" -subj "/CN=$name" -out "$name.csr" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$name.crt" 2>/dev/null
    rm "$name.csr"
done
[ "$2" = keep ] || rm ca.key
