// Makes a TLS server of each PKCS#12 container and asks a client of the same process what it shows.
const fs = require("node:fs");
const tls = require("node:tls");

const asked = fs.readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean).map((line) => line.split("\t"));

function shown(file, passphrase) {
  return new Promise((resolve) => {
    let server;
    try {
      server = tls.createServer({ pfx: fs.readFileSync(file), passphrase });
    } catch (error) {
      resolve("NO " + error.message);
      return;
    }
    server.listen(0, "127.0.0.1", () => {
      const client = tls.connect({ port: server.address().port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        const names = [];
        let certificate = client.getPeerCertificate(true);
        while (certificate && certificate.subject && names.length < 9) {
          names.push(certificate.subject.CN);
          if (certificate.issuerCertificate === certificate) break;
          certificate = certificate.issuerCertificate;
        }
        client.end();
        server.close(() => resolve(names.join(" < ")));
      });
      client.on("error", (error) => server.close(() => resolve("NO " + error.message)));
    });
  });
}

(async () => {
  for (const [file, kind, password] of asked) {
    if (kind === "PKCS12") console.log(file + "\t" + (await shown(file, password)));
  }
})();
