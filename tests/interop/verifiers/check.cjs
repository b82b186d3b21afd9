// Judges every case of a directory with Node's tls, over loopback. What a case is about may stand behind its host: chain
// (which goes without saying), crl, key, pem, key-store.
const fs = require('fs'), path = require('path'), tls = require('tls');
const {spawnSync} = require('child_process');
const [, , root, loading, aboutLoading] = process.argv;
const PATIENCE = 2000;
const read = (dir, name) => fs.readFileSync(path.join(root, dir, name));
const loose = {ciphers: 'ALL:@SECLEVEL=0'};

// The chain with its key, or the key store, as their owner loads them.
function load(name, about) {
  const password = path.join(root, name, 'password.txt');
  const passphrase = fs.existsSync(password) ? fs.readFileSync(password, 'utf8') : undefined;
  const own = about === 'key-store' ? {pfx: read(name, 'keystore.p12')}
    : {cert: read(name, 'chain.pem'), key: read(name, 'key.pem')};
  try {
    tls.createSecureContext({...own, passphrase});
    return 'OK';
  } catch (e) { return 'NO\t' + e.message; }
}

// The same in a process of its own, given up after a while.
function loadInTime(name, about) {
  const said = spawnSync(process.execPath, [__filename, root, name, about], {timeout: PATIENCE, encoding: 'utf8'});
  return said.stdout || 'STALLS';
}

async function judge(name, purpose, host, about) {
  if (about === 'key' || about === 'key-store') return loadInTime(name, about);
  const loaded = about === 'pem' ? load(name, about) : 'OK';
  return loaded === 'OK' ? shake(name, purpose, host, about) : loaded;
}

function shake(name, purpose, host, about) {
  return new Promise((resolve) => {
    const isServer = purpose === 'server';
    const shown = {cert: read(name, 'chain.pem'), key: read(name, 'key.pem'), ...loose};
    const ca = read(name, 'anchors.pem');
    const lists = about === 'crl' ? {crl: read(name, 'crl.pem')} : {};
    const own = isServer ? shown
      : {cert: read('judge', 'chain.pem'), key: read('judge', 'key.pem'), ca, ...lists, requestCert: true, rejectUnauthorized: true};
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
      const options = isServer ? {port, ca, ...lists, ...names} : {port, host: '127.0.0.1', rejectUnauthorized: false, ...shown};
      try {
        client = tls.connect(options, () => { if (isServer) end('OK'); });
      } catch (e) { return end('NO\t' + e.message); }
      client.on('error', (e) => { if (isServer) end('NO\t' + e.message); });
    });
  });
}

(async () => {
  if (loading) return process.stdout.write(load(loading, aboutLoading));
  for (const line of fs.readFileSync(path.join(root, 'cases.tsv'), 'utf8').trim().split('\n')) {
    const [name, ...asked] = line.split('\t');
    console.log(name + '\t' + await judge(name, ...asked));
  }
})();
