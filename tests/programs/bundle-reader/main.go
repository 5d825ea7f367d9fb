// Reads a SPIFFE bundle document from standard input with the official go-spiffe library, and prints
// what that library made of it, in JSON. The argument is the trust domain.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

type found struct {
	TrustDomain string   `json:"trust_domain"`
	Sequence    uint64   `json:"sequence"`
	HasSequence bool     `json:"has_sequence"`
	RefreshHint float64  `json:"refresh_hint_s"`
	Authorities []string `json:"authorities"`
	JWTKeys     int      `json:"jwt_keys"`
}

func main() {
	domain, err := spiffeid.TrustDomainFromString(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	bundle, err := spiffebundle.Read(domain, os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	sequence, hasSequence := bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	read := found{
		TrustDomain: bundle.TrustDomain().Name(),
		Sequence:    sequence,
		HasSequence: hasSequence,
		RefreshHint: hint.Seconds(),
		Authorities: []string{},
		JWTKeys:     len(bundle.JWTAuthorities()),
	}
	for _, authority := range bundle.X509Authorities() {
		digest := sha256.Sum256(authority.Raw)
		read.Authorities = append(read.Authorities, hex.EncodeToString(digest[:]))
	}
	if err := json.NewEncoder(os.Stdout).Encode(read); err != nil {
		log.Fatal(err)
	}
}
