@header@

// Package amqps connects to the broker.
package amqps

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

@constants@

// Connect logs in; the user is the name in the certificate.
func Connect() (*amqp.Connection, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	anchors := x509.NewCertPool() // these authorities alone
	if !anchors.AppendCertsFromPEM(pem) {
		return nil, errors.New(caFile + " has no certificate")
	}
	pair, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return nil, err
	}
	uri := amqp.URI{Scheme: "amqps", Host: host, Port: port, Vhost: vhost}
	return amqp.DialTLS_ExternalAuth(uri.String(), &tls.Config{
		RootCAs:      anchors,
		Certificates: []tls.Certificate{pair},
		ServerName:   host, // checked against the broker's certificate
		MinVersion:   tls.VersionTLS12,
	})
}
