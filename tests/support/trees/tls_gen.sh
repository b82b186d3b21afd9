# What tls-gen's basic profile makes: the names, subjects and extensions of its certificates.
# $1: directory, $2: the name
mkdir -p "$1/result"
cd "$1"
cat >openssl.cnf <<CNF
[req]
distinguished_name = name
prompt = no
[name]
CN = nobody
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server]
basicConstraints = CA:FALSE
keyUsage = digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:$2,DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid,issuer
[client]
basicConstraints = CA:FALSE
keyUsage = digitalSignature,keyEncipherment
extendedKeyUsage = clientAuth
subjectAltName = DNS:$2,DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid,issuer
CNF
openssl req -new -x509 -config openssl.cnf -extensions ca -newkey rsa:2048 -nodes -keyout result/ca_key.pem -days 3650 \
    -subj '/CN=TLSGenSelfSignedtRootCA 2026-11-01T10:00:00.123456/L=$$$$/' -out result/ca_certificate.pem 2>/dev/null
for side in server client; do
    openssl req -new -config openssl.cnf -newkey rsa:2048 -nodes -keyout "result/${side}_$2_key.pem" \
        -subj "/CN=$2/O=$side/" -out "$side.csr" 2>/dev/null
    openssl x509 -req -in "$side.csr" -CA result/ca_certificate.pem -CAkey result/ca_key.pem -days 3650 \
        -set_serial "$([ "$side" = server ] && echo 1 || echo 2)" \
        -extfile openssl.cnf -extensions "$side" -out "result/${side}_$2_certificate.pem" 2>/dev/null
    rm "$side.csr"
done
