package netdev

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The settings of the whole machine that are switched off for services, by their names below /proc/sys. Those of links go with the
// bridge, and forwarding has its own ways back.
const (
	sendRedirects = "net/ipv4/conf/all/send_redirects"
	bridgeCalls   = "net/bridge/bridge-nf-call-iptables"
	bridgeCalls6  = "net/bridge/bridge-nf-call-ip6tables"
)

// BeforeSettings has fn told of each setting of the whole machine, with its value, before it is switched off; a setting of which fn answers
// an error stays as it is. It is called before the devices are used.
func (d *Devices) BeforeSettings(fn func(setting, value string) error) { d.before = fn }

// switchOff sets a setting of the whole machine to 0.
func (d *Devices) switchOff(setting string) error {
	have, err := os.ReadFile(filepath.Join("/proc/sys", setting))
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", setting, err)
	}
	value := strings.TrimSpace(string(have))
	if value == "0" {
		return nil
	}
	if d.before != nil {
		if err := d.before(setting, value); err != nil {
			return err
		}
	}
	return sysctl(setting, "0")
}

// PutBackSetting gives a setting that was switched off its value again. One that somebody has changed since, or that is gone with its
// module, stays as it is, and so does what is none of those settings. It must be called in the namespace Devices was made in.
func (d *Devices) PutBackSetting(setting, value string) error {
	if !slices.Contains([]string{sendRedirects, bridgeCalls, bridgeCalls6}, setting) {
		return nil
	}
	have, err := os.ReadFile(filepath.Join("/proc/sys", setting))
	if os.IsNotExist(err) || err == nil && strings.TrimSpace(string(have)) != "0" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", setting, err)
	}
	return sysctl(setting, value)
}
