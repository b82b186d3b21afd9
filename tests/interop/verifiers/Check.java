import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;
import sun.security.util.HostnameChecker;

/**
 * Judges every case of a directory as a TLS connection of Java with the endpoint identification HTTPS does. What a case is
 * about may stand behind its host: chain (which goes without saying), crl, key, pem, key-store.
 */
public class Check {
    static List<X509Certificate> read(Path file) throws Exception {
        List<X509Certificate> all = new ArrayList<>();
        try (InputStream in = Files.newInputStream(file)) {
            for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) all.add((X509Certificate) c);
        }
        return all;
    }

    static void load(Path dir) throws Exception {
        char[] password = Files.readString(dir.resolve("password.txt")).toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(dir.resolve("keystore.p12"))) {
            store.load(in, password);
        }
        KeyManagerFactory.getInstance("PKIX").init(store, password);
        if (store.size() != 1 || !store.isKeyEntry(store.aliases().nextElement())) throw new Exception("no key in it");
    }

    /** The parameters of a trust manager that looks into the revocation list, and nowhere else. */
    static ManagerFactoryParameters withList(KeyStore store, Path list) throws Exception {
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(store, new X509CertSelector());
        try (InputStream in = Files.newInputStream(list)) {
            Collection<? extends CRL> lists = CertificateFactory.getInstance("X.509").generateCRLs(in);
            parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
        }
        PKIXRevocationChecker checker = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK,
            PKIXRevocationChecker.Option.ONLY_END_ENTITY));
        parameters.addCertPathChecker(checker);
        return new CertPathTrustManagerParameters(parameters);
    }

    static void judge(Path dir, String purpose, String host, String about) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int n = 0;
        for (X509Certificate anchor : read(dir.resolve("anchors.pem"))) store.setCertificateEntry("a" + n++, anchor);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        if (about.equals("crl")) factory.init(withList(store, dir.resolve("crl.pem")));
        else factory.init(store);
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
            String about = part.length > 3 ? part[3] : "chain";
            try {
                if (about.equals("key")) verdict = "NONE";
                else if (about.equals("key-store")) load(root.resolve(part[0]));
                else judge(root.resolve(part[0]), part[1], part[2], about);
            } catch (Exception e) {
                verdict = "NO\t" + e.getMessage();
            }
            System.out.println(part[0] + "\t" + verdict);
        }
    }
}
