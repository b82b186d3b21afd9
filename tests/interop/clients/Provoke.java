import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** What Java prints: java Provoke.java HOST PORT CA [P12] - a line "WHO<tab>TEXT" for TLS 1.2 and TLS 1.3. */
public class Provoke {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int n = 0;
        try (FileInputStream in = new FileInputStream(args[2])) {
            for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("ca" + n++, c);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        KeyStore own = KeyStore.getInstance("PKCS12");
        char[] password = "changeit".toCharArray();
        own.load(args.length > 3 ? new FileInputStream(args[3]) : null, password);
        keys.init(own, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        for (String version : new String[] {"1.2", "1.3"}) {
            System.out.println("java TLS " + version + "\t" + attempt(context, args[0], Integer.parseInt(args[1]), version));
        }
    }

    private static String attempt(SSLContext context, String host, int port, String version) {
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(host, port)) {
            socket.setSoTimeout(10000);
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            parameters.setProtocols(new String[] {"TLSv" + version});
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            socket.getOutputStream().write(new byte[] {'A', 'M', 'Q', 'P', 0, 0, 9, 1});
            return socket.getInputStream().read() < 0 ? "closed without an exception" : "";
        } catch (Exception e) {
            return e.toString().replace('\n', ' ');
        }
    }
}
