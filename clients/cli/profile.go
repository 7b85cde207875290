package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"go.yaml.in/yaml/v3"

	"github.com/hearthos/hearth/api/fault"
)

// maxConfig bounds the file of profiles.
const maxConfig = 1 << 20

// config is the file of profiles: the servers a person speaks with, and what opens them. It holds secrets, so it belongs
// to the person alone.
type config struct {
	// Current is the profile in use when nothing else is said; empty for the socket on this machine.
	Current  string             `yaml:"current,omitempty"`
	Profiles map[string]profile `yaml:"profiles,omitempty"`
}

// profile is one server. What is in it is sent to Host alone.
type profile struct {
	Host  string `yaml:"host"`
	CA    string `yaml:"ca,omitempty"` // the root certificate, PEM
	Token string `yaml:"token,omitempty"`
}

// profileName is what a profile may be called.
var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// configPath is where the profiles are.
func configPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", unable("failed.profiles-folder", err)
	}
	return filepath.Join(dir, "hearth", "config.yaml"), nil
}

// loadConfig reads the profiles; there are none when there is no file.
func loadConfig() (*config, error) {
	path, err := configPath()
	if err != nil {
		// A program without a home has no profiles; it still reaches the server it names.
		return &config{Profiles: map[string]profile{}}, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &config{Profiles: map[string]profile{}}, nil
	}
	if err != nil {
		return nil, unable("failed.profiles-read", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fault.New(metav1.Reason_REASON_CLIENT_CONFIG, "others can read %s, and it holds what opens your servers: chmod 600 %s", path, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, unable("failed.profiles-read", err)
	}
	c, err := parseConfig(raw)
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_CLIENT_CONFIG, "cannot use %s: %s", path, err.Error())
	}
	return c, nil
}

// parseConfig reads what saveConfig wrote, or a person.
func parseConfig(raw []byte) (*config, error) {
	if len(raw) > maxConfig {
		return nil, fmt.Errorf("it is larger than %d bytes", maxConfig)
	}
	c := &config{}
	if err := readYAML(raw, c); err != nil {
		return nil, err
	}
	if c.Profiles == nil {
		c.Profiles = map[string]profile{}
	}
	for name, p := range c.Profiles {
		if !profileName.MatchString(name) {
			return nil, fmt.Errorf("%q cannot be the name of a profile", name)
		}
		if p.Host == "" {
			return nil, fmt.Errorf("profile %q names no host", name)
		}
	}
	if _, ok := c.Profiles[c.Current]; !ok && c.Current != "" {
		return nil, fmt.Errorf("the current profile is %q, and there is none of that name", c.Current)
	}
	return c, nil
}

// changeConfig changes the profiles and answers them: fn gets what is there now, and nobody else changes it meanwhile. An
// error of fn leaves them as they are.
func changeConfig(fn func(c *config) error) (*config, error) {
	path, err := configPath()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unable("failed.profiles-write", err)
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return nil, unable("failed.profiles-write", err)
	}
	defer unlock()
	c, err := loadConfig()
	if err != nil {
		return nil, err
	}
	if err := fn(c); err != nil {
		return nil, err
	}
	return c, c.save(path)
}

// save writes the profiles: all of them or none, readable by the person alone. Called with the lock.
func (c *config) save(path string) error {
	raw, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".config-") // 0600
	if err != nil {
		return unable("failed.profiles-write", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return unable("failed.profiles-write", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return unable("failed.profiles-write", err)
	}
	return nil
}

// find answers the profile of a name.
func (c *config) find(name string) (profile, error) {
	p, ok := c.Profiles[name]
	if !ok {
		return p, fault.New(metav1.Reason_REASON_PROFILE_NOT_FOUND, "there is no profile %q", name)
	}
	return p, nil
}

// of answers the profile of a host: the current one before others. What a profile holds opens its own host and no other.
func (c *config) of(host string) profile {
	if p := c.Profiles[c.Current]; p.Host == host {
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		if p := c.Profiles[name]; p.Host == host {
			return p
		}
	}
	return profile{Host: host}
}
