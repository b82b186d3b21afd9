// Judges every case of a directory with crypto/x509, as crypto/tls calls it. What a case is about may stand behind its
// host: chain (which goes without saying), crl (which nobody looks at), key, pem, key-store.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func read(path string) ([]*x509.Certificate, error) {
	rest, err := os.ReadFile(path)
	var all []*x509.Certificate
	for err == nil {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		var certificate *x509.Certificate
		certificate, err = x509.ParseCertificate(block.Bytes)
		all = append(all, certificate)
	}
	return all, err
}

func judge(directory, purpose, host, about string) error {
	if about == "key" || about == "pem" {
		if _, err := tls.LoadX509KeyPair(filepath.Join(directory, "chain.pem"), filepath.Join(directory, "key.pem")); err != nil || about == "key" {
			return err
		}
	}
	chain, err := read(filepath.Join(directory, "chain.pem"))
	if err != nil {
		return err
	}
	anchors, err := os.ReadFile(filepath.Join(directory, "anchors.pem"))
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	if !options.Roots.AppendCertsFromPEM(anchors) && about == "pem" {
		return fmt.Errorf("AppendCertsFromPEM: false")
	}
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if purpose == "server" {
		options.DNSName = host
	} else {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	_, err = chain[0].Verify(options)
	return err
}

func main() {
	file, err := os.Open(filepath.Join(os.Args[1], "cases.tsv"))
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		part := append(strings.Split(lines.Text(), "\t"), "chain")
		if part[3] == "key-store" {
			fmt.Printf("%s\tNONE\n", part[0])
		} else if err := judge(filepath.Join(os.Args[1], part[0]), part[1], part[2], part[3]); err != nil {
			fmt.Printf("%s\tNO\t%s\n", part[0], strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("%s\tOK\n", part[0])
		}
	}
}
