// Judges every case of a directory with Node's tls, over loopback.
const fs = require('fs'), path = require('path'), tls = require('tls');
const root = process.argv[2];
const read = (dir, name) => fs.readFileSync(path.join(root, dir, name));
const loose = {ciphers: 'ALL:@SECLEVEL=0'};

function judge(name, purpose, host) {
  return new Promise((resolve) => {
    const isServer = purpose === 'server';
    const shown = {cert: read(name, 'chain.pem'), key: read(name, 'key.pem'), ...loose};
    const ca = read(name, 'anchors.pem');
    const own = isServer ? shown
      : {cert: read('judge', 'chain.pem'), key: read('judge', 'key.pem'), ca, requestCert: true, rejectUnauthorized: true};
    let server, client;
    const end = (text) => { if (client) client.destroy(); server.close(); resolve(text); };
    try {
      server = tls.createServer(own, (socket) => {
        socket.on('error', () => {});
        if (!isServer) end('OK');
      });
    } catch (e) { return resolve('SHOWN\t' + e.message); }
    server.on('tlsClientError', (e) => { if (!isServer) end('NO\t' + e.message); });
    server.listen(0, '127.0.0.1', () => {
      const port = server.address().port;
      // Node takes the name that is checked from `servername`, for an address from `host`.
      const names = /^[0-9.]+$/.test(host) ? {host} : {host: '127.0.0.1', servername: host};
      const options = isServer ? {port, ca, ...names} : {port, host: '127.0.0.1', rejectUnauthorized: false, ...shown};
      client = tls.connect(options, () => { if (isServer) end('OK'); });
      client.on('error', (e) => { if (isServer) end('NO\t' + e.message); });
    });
  });
}

(async () => {
  for (const line of fs.readFileSync(path.join(root, 'cases.tsv'), 'utf8').trim().split('\n')) {
    const [name, purpose, host] = line.split('\t');
    console.log(name + '\t' + await judge(name, purpose, host));
  }
})();
