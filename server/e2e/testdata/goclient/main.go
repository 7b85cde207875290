// Command goclient makes one call by the generated Go client and prints the answer, or the fault of the refusal, as JSON.
// The test of the wires runs it on its machine.
//
//	goclient TARGET TOKEN ROOTFILE list|start|/SERVICE/METHOD
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "goclient TARGET TOKEN ROOTFILE CALL")
		os.Exit(2)
	}
	ctx := context.Background()
	root, err := os.ReadFile(os.Args[3])
	check(err)
	c, err := hearth.Dial(ctx, os.Args[1], hearth.Options{Token: os.Args[2], RootPEM: root})
	check(err)
	defer c.Close()
	var answer proto.Message
	switch call := os.Args[4]; {
	case call == "list":
		answer, err = c.Packages.ListPackages(ctx, &packagesv1.ListPackagesRequest{})
	case call == "start":
		answer, err = c.Packages.StartPackage(ctx, &packagesv1.StartPackageRequest{Id: "hello-hearth"})
	case strings.HasPrefix(call, "/"):
		answer = &emptypb.Empty{}
		err = c.Conn().Invoke(ctx, call, &emptypb.Empty{}, answer)
	default:
		err = fmt.Errorf("cannot make the call %q", call)
	}
	key := "result"
	if err != nil {
		key, answer = "fault", fault.Proto(err)
	}
	raw, err := protojson.Marshal(answer)
	check(err)
	fmt.Printf("{%q:%s}\n", key, raw)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
