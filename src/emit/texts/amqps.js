@header@
// Use it with: const { connect } = require('./amqps_connection');
// To try it: node amqps_connection.js
'use strict';

const fs = require('fs');
const amqp = require('amqplib');

@constants@

/** A connection; the user is the name in the certificate. */
function connect() {
  const password = KEY_PASSWORD_FILE ? fs.readFileSync(KEY_PASSWORD_FILE, 'utf8').split(/\r?\n/)[0] : undefined;
  return amqp.connect(
    // amqplib unescapes the virtual host here too.
    { protocol: 'amqps', hostname: HOST, port: PORT, vhost: encodeURIComponent(VHOST) },
    {
      ca: fs.readFileSync(CA_FILE), // trusts these authorities alone; Node checks the host name
      cert: fs.readFileSync(CERTIFICATE_FILE),
      key: fs.readFileSync(KEY_FILE),
      passphrase: password,
      credentials: amqp.credentials.external(),
    },
  );
}

module.exports = { connect };

if (require.main === module) {
  connect()
    .then((connection) => connection.close())
    .then(() => console.log('logged in'))
    .catch((error) => {
      console.error(error.message);
      process.exitCode = 1;
    });
}
