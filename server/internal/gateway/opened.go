package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

// What this server has the machine forward is written down before it is done, since nothing tells afterwards who did it:
//
//	OPENED    names of the links that forward IPv4 because of this server
//	OPENED6   there while the machine forwards IPv6 because of it; lines "listens LINK", of those that listened to a router
//	          as a machine does that forwards nothing, and "forwards LINK", of those that were told to on their own
//	OPENED.settings  lines "SETTING VALUE": settings of the whole machine that were switched off, and what they were before

// Words of the lines of OPENED6.
const (
	listens  = "listens"
	forwards = "forwards"
)

// Restorer gives links back; *netdev.Devices does.
type Restorer interface {
	Routes() (bool, error)
	DisableForwarding(names ...string) error
	DisableForwarding6(before netdev.Before6) error
	// PutBackSetting gives a setting that was switched off its value, unless somebody has changed it since.
	PutBackSetting(setting, value string) error
}

// PutBack has the machine forward no more than it did before a server with this Config.Opened needed it to, gives the settings that were
// switched off their values, and forgets what that server wrote down. What somebody else has switched on before, or for the whole machine since, stays on. It may be repeated, also after it
// ended half-way; where nothing is written down, as after a boot, it does nothing. The firewall must still be in force: until this has
// succeeded nothing else keeps the machine from being a router.
func PutBack(opened string, devices Restorer) error {
	return errors.Join(putBack4(opened, devices), putBack6(opened+"6", devices), putBackSettings(opened+settingsOf, devices))
}

const settingsOf = ".settings"

// Remember writes down what a setting of the whole machine is before it is switched off, for PutBack. What it was at first counts.
func Remember(opened string) func(setting, value string) error {
	var writing sync.Mutex
	path := opened + settingsOf
	return func(setting, value string) error {
		writing.Lock()
		defer writing.Unlock()
		known, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot read which settings were switched off: %w", err)
		}
		for line := range strings.Lines(string(known)) {
			if name, _, _ := strings.Cut(line, " "); name == setting {
				return nil
			}
		}
		if err := atomicfile.Write(path, fmt.Appendf(known, "%s %s\n", setting, value), 0o600); err != nil {
			return fmt.Errorf("cannot write down that %s is switched off: %w", setting, err)
		}
		return nil
	}
}

func putBackSettings(path string, devices Restorer) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read which settings were switched off: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		setting, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if err := devices.PutBackSetting(setting, value); err != nil {
			return err
		}
	}
	return os.Remove(path)
}

func putBack4(opened string, devices Restorer) error {
	text, err := os.ReadFile(opened)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read which links were opened: %w", err)
	}
	routes, err := devices.Routes()
	if err != nil {
		return err
	}
	if !routes {
		if err := devices.DisableForwarding(strings.Fields(string(text))...); err != nil {
			return err
		}
	}
	return os.Remove(opened)
}

func putBack6(opened string, devices Restorer) error {
	text, err := os.ReadFile(opened)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read how links were before IPv6 was forwarded: %w", err)
	}
	var before netdev.Before6
	for line := range strings.Lines(string(text)) {
		switch word, link, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case listens:
			before.Listening = append(before.Listening, link)
		case forwards:
			before.Forwarding = append(before.Forwarding, link)
		}
	}
	if err := devices.DisableForwarding6(before); err != nil {
		return err
	}
	return os.Remove(opened)
}

// writeBefore6 writes down how links are before IPv6 is forwarded.
func writeBefore6(path string, before netdev.Before6) error {
	var text strings.Builder
	for _, link := range before.Listening {
		fmt.Fprintln(&text, listens, link)
	}
	for _, link := range before.Forwarding {
		fmt.Fprintln(&text, forwards, link)
	}
	if err := atomicfile.Write(path, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("cannot write down that IPv6 is forwarded: %w", err)
	}
	return nil
}

// closed answers those of the links that would not forward without this server: they are no way from one network into another. What is
// opened is written down before it is. A machine that somebody has made a router routes.
func (s *Service) closed(names []string) (closed []string, err error) {
	known, err := os.ReadFile(s.cfg.Opened)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read which links were opened: %w", err)
	}
	opened := strings.Fields(string(known))
	for _, name := range names {
		on, err := s.devices.Forwards(name)
		if err != nil {
			return nil, err
		}
		if !on && !slices.Contains(opened, name) {
			opened = append(opened, name)
		}
	}
	if text := strings.Join(opened, "\n"); text != string(known) {
		if err := atomicfile.Write(s.cfg.Opened, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("cannot write down which links are opened: %w", err)
		}
	}
	routes, err := s.devices.Routes()
	if err != nil || routes {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(opened, name) }), nil
}

// closed6 answers the links that this machine does not route between over IPv6: all of them, unless it was a router before this server
// needed it to forward. That is written down before it is done; and it forwards on where services have lost their IPv6 since.
func (s *Service) closed6(links []netdev.Link, needed bool) (closed []string, err error) {
	ours := s.cfg.Opened + "6"
	_, err = os.Stat(ours)
	if errors.Is(err, fs.ErrNotExist) {
		if !needed {
			return nil, nil
		}
		routes, err := s.devices.Routes6()
		if err != nil || routes {
			return nil, err
		}
		before, err := s.devices.Before6()
		if err != nil {
			return nil, err
		}
		if err := writeBefore6(ours, before); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("cannot tell who has IPv6 forwarded: %w", err)
	}
	for _, l := range links {
		if l.Kind != netdev.KindLoopback && l.Name != s.cfg.Bridge && !l.Port && netdev.CheckName(l.Name) == nil && len(closed) < nft.MaxClosed {
			closed = append(closed, l.Name)
		}
	}
	return closed, nil
}
