import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Handshake PASSWORD (SERVER_KEYS SERVER_TRUST CLIENT_KEYS CLIENT_TRUST)...: a mutual handshake out of each four stores. */
public class Handshake {
    public static void main(String[] args) throws Exception {
        char[] password = args[0].toCharArray();
        for (int at = 1; at < args.length; at += 4) {
            meet(context(password, args[at], args[at + 1]), context(password, args[at + 2], args[at + 3]));
        }
    }

    private static void meet(SSLContext server, SSLContext client) throws Exception {
        SSLServerSocket listener = (SSLServerSocket) server.getServerSocketFactory().createServerSocket(0);
        listener.setNeedClientAuth(true);
        Thread serving = new Thread(() -> {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.startHandshake();
                X509Certificate peer = (X509Certificate) socket.getSession().getPeerCertificates()[0];
                System.out.println("the server sees " + peer.getSubjectX500Principal());
                socket.getOutputStream().write(1);
            } catch (Exception e) {
                System.out.println("server: " + e);
            }
        });
        serving.start();
        try (SSLSocket socket = (SSLSocket) client.getSocketFactory().createSocket()) {
            socket.connect(new java.net.InetSocketAddress("localhost", listener.getLocalPort()));
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            if (socket.getInputStream().read() != 1) {
                throw new IllegalStateException("the server refused");
            }
            X509Certificate peer = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            System.out.println("the client sees " + peer.getSubjectX500Principal());
        }
        serving.join();
    }

    private static SSLContext context(char[] password, String keys, String trust) throws Exception {
        KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
        own.init(load(keys, password), password);
        TrustManagerFactory others = TrustManagerFactory.getInstance("PKIX");
        others.init(load(trust, password));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), others.getTrustManagers(), null);
        return context;
    }

    private static KeyStore load(String file, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance(file.endsWith(".jks") ? "JKS" : "PKCS12");
        try (FileInputStream in = new FileInputStream(file)) {
            store.load(in, password);
        }
        return store;
    }
}
