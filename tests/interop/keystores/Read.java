// Reads key stores and says what is in them: FILE TYPE PASSWORD lines in, one line of JSON each out. Nothing is printed of a
// key but whether it fits its certificate.

import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

class Read {
    public static void main(String[] args) throws Exception {
        System.setOut(new java.io.PrintStream(System.out, true, StandardCharsets.UTF_8));
        for (String line : Files.readAllLines(Path.of(args[0]), StandardCharsets.UTF_8)) {
            String[] asked = line.split("\t", -1);
            try {
                System.out.println(asked[0] + "\t" + read(asked[0], asked[1], asked[2].toCharArray()));
            } catch (Exception e) {
                System.out.println(asked[0] + "\tNO " + e + (e.getCause() == null ? "" : ", " + e.getCause()));
            }
        }
    }

    static String read(String file, String type, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance(type);
        try (FileInputStream in = new FileInputStream(file)) {
            store.load(in, password);
        }
        List<String> entries = new ArrayList<>();
        for (String alias : Collections.list(store.aliases())) {
            if (store.isCertificateEntry(alias)) {
                entries.add("trusted " + alias + ": " + subject(store.getCertificate(alias)));
                continue;
            }
            Key key = store.getKey(alias, password);
            List<String> chain = new ArrayList<>();
            for (Certificate certificate : store.getCertificateChain(alias)) {
                chain.add(subject(certificate));
            }
            entries.add("pair " + alias + ": " + String.join(" < ", chain) + fits(key, store.getCertificate(alias)));
        }
        Collections.sort(entries);
        return String.join("; ", entries);
    }

    static String subject(Certificate certificate) {
        return ((X509Certificate) certificate).getSubjectX500Principal().getName();
    }

    static String fits(Key key, Certificate certificate) throws Exception {
        String hash = key.getAlgorithm().equals("RSA") ? "SHA256withRSA" : key.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "Ed25519";
        Signature signature = Signature.getInstance(hash);
        signature.initSign((PrivateKey) key);
        signature.update((byte) 1);
        byte[] signed = signature.sign();
        signature.initVerify(certificate.getPublicKey());
        signature.update((byte) 1);
        return signature.verify(signed) ? "" : " (the key does not fit)";
    }
}
