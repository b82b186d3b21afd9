import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Reads what the tests of RabbitMQ's Java stream client read, where they look by default, and makes a TLS context of it. */
public class TlsGenResult {
  public static void main(String[] args) throws Exception {
    Process process = new ProcessBuilder("hostname").start();
    String host = new String(process.getInputStream().readAllBytes()).trim();
    Path result = Path.of(System.getProperty("java.io.tmpdir"), "tls-gen", "basic", "result");

    X509Certificate authority = read(result.resolve("ca_certificate.pem"));
    X509Certificate client = read(result.resolve("client_" + host + "_certificate.pem"));
    X509Certificate server = read(result.resolve("server_" + host + "_certificate.pem"));
    client.verify(authority.getPublicKey());
    server.verify(authority.getPublicKey());

    KeyStore pair = KeyStore.getInstance(KeyStore.getDefaultType());
    pair.load(null, null);
    pair.setKeyEntry("client", key(result.resolve("client_" + host + "_key.pem")), new char[0], new Certificate[] {client});
    KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
    keys.init(pair, new char[0]);
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    trusted.setCertificateEntry("authority", authority);
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    SSLContext.getInstance("TLSv1.3").init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    System.out.println(client.getSubjectX500Principal().getName());
  }

  private static X509Certificate read(Path file) throws Exception {
    try (FileInputStream stream = new FileInputStream(file.toFile())) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(stream);
    }
  }

  private static PrivateKey key(Path file) throws Exception {
    String pem = Files.readString(file).replaceAll("-----[A-Z ]+-----|\\s", "");
    return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
  }
}
