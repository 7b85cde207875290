package netdev

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Listening answers the TCP ports that programs of the machine listen on, whoever they are, on whatever address.
func Listening() (map[uint32]bool, error) {
	ports := make(map[uint32]bool)
	for _, table := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		f, err := os.Open(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a machine without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("cannot tell which ports are in use: %w", err)
		}
		err = addListening(ports, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("cannot tell which ports are in use: %w", err)
		}
	}
	return ports, nil
}

// addListening reads a table of sockets as the kernel writes it: number, local address and port, the peer's, state.
func addListening(ports map[uint32]bool, table io.Reader) error {
	const listen = "0A"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || words[3] != listen {
			continue
		}
		_, hex, _ := strings.Cut(words[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			return fmt.Errorf("cannot read the port in %q: %w", words[1], err)
		}
		ports[uint32(port)] = true
	}
	return lines.Err()
}
