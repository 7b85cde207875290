package netdev

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Changes signals that links, addresses or routes may have changed since the last signal; several changes come as one
// signal. The first signal comes at once, so a reader who re-reads on every signal misses nothing, also where the kernel
// drops notifications. The channel is closed when ctx ends or the kernel ends the subscription.
//
// It must be called in the namespace Devices was made in.
func (d *Devices) Changes(ctx context.Context) (<-chan struct{}, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot subscribe to changes of the network: %w", err)
	}
	out := make(chan struct{}, 1)
	out <- struct{}{}
	var once sync.Once
	closeSocket := func() { once.Do(s.Close) }
	stop := context.AfterFunc(ctx, closeSocket)
	go func() {
		defer close(out)
		defer closeSocket()
		defer stop()
		for {
			_, _, err := s.Receive()
			if ctx.Err() != nil || err != nil && !survivable(err) {
				return
			}
			select {
			case out <- struct{}{}:
			default: // the reader has a signal to come anyway
			}
		}
	}()
	return out, nil
}

// survivable errors say that notifications were lost, not that the subscription is over.
func survivable(err error) bool {
	return errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN)
}
