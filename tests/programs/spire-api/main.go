// What SPIRE's agent needs of its server, for tests: node attestation of whoever comes, the bundle,
// the entries, and SVIDs. SPIRE's own server is too large to be built for that. "spire-api BUNDLE
// UID" writes the bundle there and serves on a port of its own, which it prints. Standard input says
// which entry there is, a line each: "give SPIFFE_ID SECONDS" for processes of the user, with the
// life of its certificates, or "take" for none. Each is echoed when done.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
)

const (
	domain    = "acme.example"
	agentPath = "/spire/agent/join_token/test"
)

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func uri(path string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: domain, Path: path}
}

func template(path string, life time.Duration) *x509.Certificate {
	serial := must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"SPIRE"}},
		URIs:         []*url.URL{uri(path)},
		NotBefore:    time.Now().Add(-10 * time.Second),
		NotAfter:     time.Now().Add(life),
	}
}

func newAuthority() *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	made := template("", 24*time.Hour)
	made.Subject.CommonName = "authority"
	made.IsCA, made.BasicConstraintsValid, made.KeyUsage = true, true, x509.KeyUsageCertSign
	der := must(x509.CreateCertificate(rand.Reader, made, made, key.Public(), key))
	return &authority{must(x509.ParseCertificate(der)), key}
}

func (a *authority) sign(path string, life time.Duration, key crypto.PublicKey) *types.X509SVID {
	made := template(path, life)
	made.BasicConstraintsValid, made.KeyUsage = true, x509.KeyUsageDigitalSignature
	made.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return &types.X509SVID{
		CertChain: [][]byte{must(x509.CreateCertificate(rand.Reader, made, a.certificate, key, a.key))},
		Id:        &types.SPIFFEID{TrustDomain: domain, Path: path},
		ExpiresAt: made.NotAfter.Unix(),
	}
}

func (a *authority) answer(path string, life time.Duration, csr []byte) (*types.X509SVID, error) {
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	return a.sign(path, life, request.PublicKey), nil
}

type agents struct {
	agentv1.UnimplementedAgentServer
	ca *authority
}

func (s *agents) AttestAgent(stream agentv1.Agent_AttestAgentServer) error {
	asked, err := stream.Recv()
	if err != nil {
		return err
	}
	svid, err := s.ca.answer(agentPath, time.Hour, asked.GetParams().GetParams().GetCsr())
	if err != nil {
		return err
	}
	return stream.Send(&agentv1.AttestAgentResponse{
		Step: &agentv1.AttestAgentResponse_Result_{Result: &agentv1.AttestAgentResponse_Result{Svid: svid}},
	})
}

type bundles struct {
	bundlev1.UnimplementedBundleServer
	ca *authority
}

func (s *bundles) GetBundle(context.Context, *bundlev1.GetBundleRequest) (*types.Bundle, error) {
	authorities := []*types.X509Certificate{{Asn1: s.ca.certificate.Raw}}
	return &types.Bundle{TrustDomain: domain, X509Authorities: authorities}, nil
}

type entries struct {
	entryv1.UnimplementedEntryServer
	svidv1.UnimplementedSVIDServer
	ca       *authority
	selector *types.Selector
	mutex    sync.Mutex
	given    []*types.Entry
}

func (s *entries) use(given ...*types.Entry) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.given = given
}

func (s *entries) get() []*types.Entry {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.given
}

func (s *entries) entry(id string, life time.Duration) *types.Entry {
	return &types.Entry{
		Id:          fmt.Sprint(time.Now().UnixNano()),
		SpiffeId:    &types.SPIFFEID{TrustDomain: domain, Path: must(url.Parse(id)).Path},
		ParentId:    &types.SPIFFEID{TrustDomain: domain, Path: agentPath},
		Selectors:   []*types.Selector{s.selector},
		X509SvidTtl: int32(life.Seconds()),
		CreatedAt:   time.Now().Unix(),
	}
}

func (s *entries) GetAuthorizedEntries(context.Context, *entryv1.GetAuthorizedEntriesRequest) (*entryv1.GetAuthorizedEntriesResponse, error) {
	return &entryv1.GetAuthorizedEntriesResponse{Entries: s.get()}, nil
}

func (s *entries) SyncAuthorizedEntries(stream entryv1.Entry_SyncAuthorizedEntriesServer) error {
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&entryv1.SyncAuthorizedEntriesResponse{Entries: s.get()}); err != nil {
			return err
		}
	}
}

func (s *entries) BatchNewX509SVID(_ context.Context, asked *svidv1.BatchNewX509SVIDRequest) (*svidv1.BatchNewX509SVIDResponse, error) {
	said := &svidv1.BatchNewX509SVIDResponse{}
	for _, params := range asked.Params {
		result := &svidv1.BatchNewX509SVIDResponse_Result{Status: &types.Status{Code: int32(codes.NotFound)}}
		for _, entry := range s.get() {
			if entry.Id != params.EntryId {
				continue
			}
			svid, err := s.ca.answer(entry.SpiffeId.Path, time.Duration(entry.X509SvidTtl)*time.Second, params.Csr)
			if err != nil {
				return nil, err
			}
			result.Status.Code, result.Svid = int32(codes.OK), svid
		}
		said.Results = append(said.Results, result)
	}
	return said, nil
}

func (a *authority) serverTLS() *tls.Config {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	svid := a.sign("/spire/server", 24*time.Hour, key.Public())
	pair := tls.Certificate{Certificate: svid.CertChain, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
}

func main() {
	ca := newAuthority()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw})
	if err := os.WriteFile(os.Args[1], text, 0o600); err != nil {
		log.Fatal(err)
	}
	served := &entries{ca: ca, selector: &types.Selector{Type: "unix", Value: "uid:" + os.Args[2]}}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.serverTLS())))
	agentv1.RegisterAgentServer(server, &agents{ca: ca})
	bundlev1.RegisterBundleServer(server, &bundles{ca: ca})
	entryv1.RegisterEntryServer(server, served)
	svidv1.RegisterSVIDServer(server, served)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { log.Fatal(server.Serve(listener)) }()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "give" {
			served.use(served.entry(words[1], must(time.ParseDuration(words[2]+"s"))))
		} else {
			served.use()
		}
		fmt.Println(words[0])
	}
}
