# The certificates of a guide that many followed: `openssl x509 -req` without extensions gives version 1.
# $1: directory, $2: keep the authority's key, lose it, or make the authority of version 1 too
mkdir -p "$1"
cd "$1"
if [ "$2" = old ]; then
    openssl req -new -newkey rsa:2048 -nodes -keyout ca.key -subj '/CN=RabbitMQ-CA' -out ca.csr 2>/dev/null
    openssl x509 -req -in ca.csr -signkey ca.key -days 3650 -out ca.crt 2>/dev/null
    rm ca.csr
else
    openssl req -new -x509 -newkey rsa:2048 -nodes -keyout ca.key -days 3650 -subj '/CN=RabbitMQ-CA' -out ca.crt 2>/dev/null
fi
for name in server celery_worker; do
    openssl req -new -newkey rsa:2048 -nodes -keyout "$name.key" -subj "/CN=$name" -out "$name.csr" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$name.crt" 2>/dev/null
    rm "$name.csr"
done
[ "$2" != lose ] || rm ca.key
