@header@
import os
import ssl
from urllib.parse import quote

@constants@

# In a URL an IPv6 address stands in brackets.
broker_url = "amqps://{}:{}/{}".format(f"[{HOST}]" if ":" in HOST else HOST, PORT, quote(VHOST, safe=""))
broker_login_method = "EXTERNAL"  # upper case; the user is the name in the certificate
broker_use_ssl = {
    "ca_certs": CA_FILE,
    "certfile": CERTIFICATE_FILE,
    "keyfile": KEY_FILE,
    "cert_reqs": ssl.CERT_REQUIRED,
    "server_hostname": HOST,  # without it nobody checks the broker's name
}
result_backend = "rpc://"
