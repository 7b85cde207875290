package nft

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Of the machine's table of connections one service has an eighth. Where the kernel does not tell its size yet, because
// nothing has asked it to track any, a small table is assumed.
const (
	shareOfTable = 8
	assumedTable = 65536
)

// FlowShare is how many connections of one service are tracked on this machine; root is the folder that proc is in.
func FlowShare(root string) uint32 {
	raw, _ := os.ReadFile(filepath.Join(root, "proc/sys/net/netfilter/nf_conntrack_max"))
	size, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 32)
	if err != nil || size < shareOfTable {
		size = assumedTable
	}
	return uint32(size / shareOfTable)
}
