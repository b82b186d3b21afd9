// Judges every case of a directory with crypto/x509, as crypto/tls calls it.
package main

import (
	"bufio"
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

func judge(directory, purpose, host string) error {
	chain, err := read(filepath.Join(directory, "chain.pem"))
	if err != nil {
		return err
	}
	anchors, err := os.ReadFile(filepath.Join(directory, "anchors.pem"))
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	options.Roots.AppendCertsFromPEM(anchors)
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
		part := strings.Split(lines.Text(), "\t")
		if err := judge(filepath.Join(os.Args[1], part[0]), part[1], part[2]); err != nil {
			fmt.Printf("%s\tNO\t%s\n", part[0], strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("%s\tOK\n", part[0])
		}
	}
}
