package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Changes signals that somebody else has changed the tables of an instance: removed them, as "nft flush ruleset" does, or
// anything in them. Several changes come as one signal; what this Firewall does itself is none. The channel is closed when
// ctx ends or the kernel ends the subscription. Where the kernel drops notifications it is looked whether the tables are
// there, so a change within them may be missed then: the caller looks anew from time to time.
//
// It must be called in the namespace that the Firewall was made in.
func (f *Firewall) Changes(ctx context.Context, tag string) (<-chan struct{}, error) {
	if !tagForm.MatchString(tag) {
		return nil, fmt.Errorf("%w: tag %q", ErrInvalid, tag)
	}
	s, err := nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES)
	if err != nil {
		return nil, fmt.Errorf("cannot subscribe to changes of the firewall: %w", err)
	}
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) // without the right, more is dropped
	out := make(chan struct{}, 1)
	var once sync.Once
	closeSocket := func() { once.Do(s.Close) }
	stop := context.AfterFunc(ctx, closeSocket)
	go func() { // ends with ctx, as its caller waits for by reading out
		defer close(out)
		defer closeSocket()
		defer stop()
		for {
			messages, _, err := s.Receive()
			if ctx.Err() != nil || err != nil && !survivable(err) {
				return
			}
			if err == nil && !f.foreign(messages, tag) || err != nil && f.whole(tag) {
				continue
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

func (f *Firewall) whole(tag string) bool {
	there, err := f.Has(tag)
	return err == nil && there
}

// foreign tells whether one of the messages is about a table of an instance and not of this Firewall's making.
func (f *Firewall) foreign(messages []syscall.NetlinkMessage, tag string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := false
	for _, m := range messages {
		if m.Header.Pid == f.port {
			continue
		}
		switch tableOf(m) {
		case tablePrefix + tag:
			found = found || !opens(m)
		case flowsName(tag):
			found, f.anew = true, true
		}
	}
	return found
}

// tableOf answers the name of the table that a notification is about, empty for none. In all of them it is the first
// attribute.
func tableOf(m syscall.NetlinkMessage) string {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.Type&0xff == unix.NFT_MSG_NEWGEN || len(m.Data) < netfilterHead {
		return ""
	}
	table, _ := text(m.Data[netfilterHead:], unix.NFTA_SET_ELEM_LIST_TABLE)
	return table
}

// opens tells whether a notification about a table of ours is of what services are let reach by names, which is no change of the rules.
func opens(m syscall.NetlinkMessage) bool {
	if kind := m.Header.Type & 0xff; kind != unix.NFT_MSG_NEWSETELEM && kind != unix.NFT_MSG_DELSETELEM {
		return false
	}
	_, rest := text(m.Data[netfilterHead:], unix.NFTA_SET_ELEM_LIST_TABLE)
	set, _ := text(rest, unix.NFTA_SET_ELEM_LIST_SET)
	return strings.HasPrefix(set, namedPrefix)
}

// netfilterHead is the size of what stands before the attributes.
const netfilterHead = 4

// text reads an attribute with a name, empty where the first attribute is no such one, and answers what comes behind it.
func text(data []byte, attribute uint16) (name string, rest []byte) {
	const head, align = 4, 4
	if len(data) < head {
		return "", nil
	}
	length, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
	if kind&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) != attribute || length < head || length > len(data) {
		return "", nil
	}
	return unix.ByteSliceToString(data[head:length]), data[min(len(data), (length+align-1)/align*align):]
}
