// What Node.js prints: provoke.cjs HOST PORT VHOST CA [CERT KEY] - a JSON list of [who, text], the first line of the error
// with its code, for TLS 1.2, TLS 1.3 and amqplib.
const fs = require("fs");
const tls = require("tls");
const amqplib = require("amqplib");

const [host, port, vhost, ca, cert, key] = process.argv.slice(2);
process.removeAllListeners("warning");
const files = { ca: fs.readFileSync(ca) };
if (cert) Object.assign(files, { cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
const line = (error) => `${String(error.stack || error).split("\n    at ")[0].trim()}${error.code ? ` code: '${error.code}'` : ""}`;

const handshake = (version) =>
  new Promise((resolve) => {
    const socket = tls.connect({ host, port, servername: host, ...files, minVersion: version, maxVersion: version });
    socket.setTimeout(10000, () => socket.destroy(new Error("no answer")));
    socket.on("secureConnect", () => socket.write(Buffer.from("AMQP\0\0\x09\x01", "latin1")));
    socket.on("data", () => (resolve(""), socket.destroy()));
    socket.on("error", (error) => resolve(line(error)));
    socket.on("close", () => resolve("closed without an error"));
  });

const login = async () => {
  const options = { ...files, servername: host, credentials: amqplib.credentials.external(), timeout: 10000 };
  try {
    await (await amqplib.connect(`amqps://${host}:${port}/${encodeURIComponent(vhost)}`, options)).close();
    return "";
  } catch (error) {
    return line(error);
  }
};

(async () => {
  const said = [
    ["node TLS 1.2", await handshake("TLSv1.2")],
    ["node TLS 1.3", await handshake("TLSv1.3")],
    ["amqplib", await login()],
  ];
  console.log(JSON.stringify(said));
  process.exit(0);
})();
