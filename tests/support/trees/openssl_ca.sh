# An authority as `openssl ca` keeps it: index.txt, numbered certificates, two of them revoked, one list.
# $1: directory
mkdir -p "$1/newcerts" "$1/private" "$1/pairs"
cd "$1"
: >index.txt
echo 1000 >serial
echo 2A >crlnumber
cat >openssl.cnf <<'CNF'
[ca]
default_ca = own
[own]
dir = .
database = index.txt
new_certs_dir = newcerts
serial = serial
crlnumber = crlnumber
certificate = cacert.pem
private_key = private/cakey.pem
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
[any]
countryName = optional
organizationName = optional
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
CN = nobody
[v3_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:rabbit.example.com,DNS:rabbit,IP:192.0.2.7
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
key private/cakey.pem
openssl req -new -x509 -config openssl.cnf -extensions v3_ca -key private/cakey.pem -days 3000 \
    -subj '/C=DE/O=Old Example/CN=Old Example CA' -out cacert.pem
issue() { # NAME EXTENSIONS SUBJECT
    key "pairs/$1.key"
    openssl req -new -config openssl.cnf -key "pairs/$1.key" -subj "$3" -out "$1.csr"
    openssl ca -batch -notext -config openssl.cnf -extensions "$2" -in "$1.csr" -out "pairs/$1.crt" 2>/dev/null
    rm "$1.csr"
}
issue rabbit server '/O=Old Example/CN=rabbit.example.com'
issue worker client '/CN=worker'
issue stolen client '/CN=stolen'
issue leaver client '/CN=leaver'
openssl ca -config openssl.cnf -revoke pairs/stolen.crt -crl_reason keyCompromise 2>/dev/null
openssl ca -config openssl.cnf -revoke pairs/leaver.crt -crl_reason cessationOfOperation 2>/dev/null
openssl ca -config openssl.cnf -gencrl -out crl.pem 2>/dev/null
