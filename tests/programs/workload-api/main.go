// A SPIFFE Workload API server for tests, on the official protobufs and grpc-go. Standard input
// says what it serves, a line each: "state JSON" with an X509SVIDResponse as protobuf JSON, or
// "fail CODE" with a gRPC status code for every call, open ones included. Each is echoed when done.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

type server struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	mutex   sync.Mutex
	state   *workload.X509SVIDResponse
	failure error
	changed chan struct{}
}

func (s *server) set(state *workload.X509SVIDResponse, failure error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.state, s.failure = state, failure
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) get() (*workload.X509SVIDResponse, error, <-chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.state, s.failure, s.changed
}

// SPIFFE Workload Endpoint, section 6.1.
func checkMetadata(ctx context.Context) error {
	found, _ := metadata.FromIncomingContext(ctx)
	if values := found.Get("workload.spiffe.io"); len(values) != 1 || values[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	return nil
}

func (s *server) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if err := checkMetadata(stream.Context()); err != nil {
		return err
	}
	for {
		state, failure, changed := s.get()
		if failure != nil {
			return failure
		}
		if err := stream.Send(state); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}

func main() {
	listener, err := net.Listen(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	api := &server{
		failure: status.Error(codes.PermissionDenied, "no identity issued"),
		changed: make(chan struct{}),
	}
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, api)
	go func() { log.Fatal(server.Serve(listener)) }()
	fmt.Println("listening", listener.Addr())
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "state":
			state := &workload.X509SVIDResponse{}
			if err := protojson.Unmarshal([]byte(rest), state); err != nil {
				log.Fatal(err)
			}
			api.set(state, nil)
		case "fail":
			code, err := strconv.Atoi(rest)
			if err != nil {
				log.Fatal(err)
			}
			api.set(nil, status.Error(codes.Code(code), "told to fail"))
		}
		fmt.Println(verb)
	}
}
