// handshake.cjs PASSWORD SERVER_STORE CLIENT_STORE ROOT HOST: a mutual handshake out of two PKCS#12 files.
const fs = require('fs');
const tls = require('tls');

const [password, serverStore, clientStore, root, host] = process.argv.slice(2);
const ca = fs.readFileSync(root);
const of = (file) => ({ pfx: fs.readFileSync(file), passphrase: password, ca });
const server = tls.createServer({ ...of(serverStore), requestCert: true, rejectUnauthorized: true }, (socket) => {
  const subject = socket.getPeerCertificate().subject.CN;
  socket.end(`${socket.authorized} ${subject}\n`);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const socket = tls.connect({ ...of(clientStore), port, host: '127.0.0.1', servername: host });
  socket.setEncoding('utf8');
  socket.on('data', (text) => process.stdout.write(text));
  socket.on('end', () => server.close());
  socket.on('error', (error) => { console.error(error.message); process.exit(1); });
});
server.on('tlsClientError', (error) => { console.error(error.message); process.exit(1); });
