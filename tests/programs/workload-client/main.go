// A SPIFFE Workload API client for tests: go-spiffe's own. "watch ADDRESS" prints each X.509 context
// that is pushed, and each failure, as a line of JSON; "source ADDRESS" lets an X509Source serve the
// SVID in a TLS handshake with itself, again for each line of standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"net"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"crypto/tls"
)

type svid struct {
	ID     string `json:"id"`
	Hint   string `json:"hint"`
	Serial string `json:"serial"`
	Chain  int    `json:"chain"`
}

type line struct {
	Svids   []svid         `json:"svids,omitempty"`
	Bundles map[string]int `json:"bundles,omitempty"`
	Failure string         `json:"failure,omitempty"`
	Shaken  string         `json:"shaken,omitempty"`
}

func say(said line) {
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		log.Fatal(err)
	}
}

type watcher struct{}

func (watcher) OnX509ContextUpdate(found *workloadapi.X509Context) {
	said := line{Bundles: map[string]int{}}
	for _, item := range found.SVIDs {
		leaf := item.Certificates[0]
		said.Svids = append(said.Svids, svid{
			ID: item.ID.String(), Hint: item.Hint, Serial: leaf.SerialNumber.Text(16),
			Chain: len(item.Certificates),
		})
	}
	for _, bundle := range found.Bundles.Bundles() {
		said.Bundles[bundle.TrustDomain().IDString()] = len(bundle.X509Authorities())
	}
	say(said)
}

func (watcher) OnX509ContextWatchError(err error) {
	if status.Code(err) != codes.Canceled {
		say(line{Failure: status.Code(err).String()})
	}
}

func shake(source *workloadapi.X509Source) string {
	here, there := net.Pipe()
	server := tls.Server(there, tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeAny()))
	client := tls.Client(here, tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeAny()))
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
}

func main() {
	ctx := context.Background()
	address := workloadapi.WithAddr(os.Args[2])
	if os.Args[1] == "watch" {
		log.Fatal(workloadapi.WatchX509Context(ctx, watcher{}, address))
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(address))
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		say(line{Shaken: shake(source)})
	}
}
