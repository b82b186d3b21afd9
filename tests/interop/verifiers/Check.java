import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;
import sun.security.util.HostnameChecker;

/** Judges every case of a directory as a TLS connection of Java with the endpoint identification HTTPS does. */
public class Check {
    static List<X509Certificate> read(Path file) throws Exception {
        List<X509Certificate> all = new ArrayList<>();
        try (InputStream in = Files.newInputStream(file)) {
            for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) all.add((X509Certificate) c);
        }
        return all;
    }

    static void judge(Path dir, String purpose, String host) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int n = 0;
        for (X509Certificate anchor : read(dir.resolve("anchors.pem"))) store.setCertificateEntry("a" + n++, anchor);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
        X509Certificate[] chain = read(dir.resolve("chain.pem")).toArray(new X509Certificate[0]);
        if (purpose.equals("server")) {
            manager.checkServerTrusted(chain, chain[0].getPublicKey().getAlgorithm().equals("RSA") ? "ECDHE_RSA" : "ECDHE_ECDSA");
            HostnameChecker.getInstance(HostnameChecker.TYPE_TLS).match(host, chain[0]);
        } else {
            manager.checkClientTrusted(chain, chain[0].getPublicKey().getAlgorithm());
        }
    }

    public static void main(String[] args) throws Exception {
        Path root = Paths.get(args[0]);
        for (String line : Files.readAllLines(root.resolve("cases.tsv"))) {
            String[] part = line.split("\t");
            String verdict = "OK";
            try {
                judge(root.resolve(part[0]), part[1], part[2]);
            } catch (Exception e) {
                verdict = "NO\t" + e.getMessage();
            }
            System.out.println(part[0] + "\t" + verdict);
        }
    }
}
