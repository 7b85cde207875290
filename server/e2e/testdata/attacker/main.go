// Command attacker is what a hostile package would run in its container. It has no mercy and no limits of its own; its
// caller ends it.
//
//	attacker flood          calls effects as fast as they are answered, on as many connections as it gets
//	attacker subcontainers  makes subcontainers until it is refused, and prints how many it got
//	attacker memory         takes memory and writes to it
//	attacker fork           multiplies itself
//	attacker connect HOST   opens flows to a host, each from another port, and from all there are
//	attacker inotify        holds as many watchers of files as it gets
//	attacker watch          watches a file once: fails where it cannot
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	switch os.Args[1] {
	case "flood":
		flood()
	case "subcontainers":
		subcontainers()
	case "memory":
		memory()
	case "fork":
		fork()
	case "connect":
		connect(os.Args[2])
	case "inotify":
		inotify()
	case "watch":
		_, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		check(err)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func dial() effectsv1.EffectsServiceClient {
	conn, err := grpc.NewClient("unix:/run/hearth/effects.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	return effectsv1.NewEffectsServiceClient(conn)
}

func flood() {
	var answered, refused atomic.Int64
	ctx := context.Background()
	for i := range 200 {
		client := dial()
		for j := range 20 {
			go func() {
				for n := 0; ; n++ {
					text := fmt.Sprint(i, j, n, strings.Repeat("x", 4000))
					var err error
					switch (i + j + n) % 4 {
					case 0, 1:
						_, err = client.SetHealth(ctx, &effectsv1.SetHealthRequest{Id: fmt.Sprint("check", n%100), Name: text, Result: "failure", Message: &text})
					case 2:
						_, err = client.Refuse(ctx, &effectsv1.RefuseRequest{Effect: fmt.Sprint("odd", n)})
					case 3:
						_, err = client.GetInstalledPackages(ctx, &effectsv1.GetInstalledPackagesRequest{})
					}
					if err != nil {
						refused.Add(1)
						time.Sleep(time.Millisecond) // or it would only be busy with itself
					} else {
						answered.Add(1)
					}
				}
			}()
		}
	}
	for range time.Tick(time.Second) {
		fmt.Println("answered", answered.Load(), "refused", refused.Load())
	}
}

func subcontainers() {
	client := dial()
	for n := 0; ; n++ {
		if _, err := client.SubcontainerCreateFs(context.Background(), &effectsv1.SubcontainerCreateFsRequest{ImageId: "main"}); err != nil {
			fmt.Println("made", n, "refused", err)
			return
		}
		if n == 5000 {
			fmt.Println("made", n)
			return
		}
	}
}

func memory() {
	var held [][]byte
	for {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
		fmt.Println("held", len(held)*16, "MiB")
	}
}

func fork() {
	for {
		cmd := exec.Command("/proc/self/exe", "fork")
		if cmd.Start() != nil {
			time.Sleep(time.Millisecond)
		}
	}
}

func connect(host string) {
	to, err := net.ResolveUDPAddr("udp", host)
	check(err)
	for {
		for port := 1024; port < 65536; port++ {
			c, err := net.DialUDP("udp", &net.UDPAddr{Port: port}, to)
			if err != nil {
				continue // somebody has it
			}
			_, _ = c.Write([]byte("x"))
			c.Close()
		}
	}
}

// inotify takes instances in several processes, each as many as it may have files.
func inotify() {
	if len(os.Args) == 2 {
		for range 20 {
			cmd := exec.Command("/proc/self/exe", "inotify", "child")
			cmd.Stdout = os.Stdout
			check(cmd.Start())
		}
		select {}
	}
	held := 0
	for {
		if _, err := unix.InotifyInit1(unix.IN_CLOEXEC); err != nil {
			fmt.Println("held", held, "refused", err)
			select {}
		}
		held++
	}
}
