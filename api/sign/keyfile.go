package sign

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// LoadKey reads a key file. It refuses one that everybody may read or that the group may write.
func LoadKey(path string) (PrivateKey, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for somebody who writes
	if err != nil {
		return PrivateKey{}, fmt.Errorf("cannot open the key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return PrivateKey{}, fmt.Errorf("cannot read the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return PrivateKey{}, fmt.Errorf("cannot load key file %q: it is no file, its mode is %s", path, info.Mode())
	}
	if info.Mode().Perm()&0o027 != 0 {
		return PrivateKey{}, fmt.Errorf("cannot trust key file %q with mode %s: it must be for its owner alone (chmod 600)",
			path, info.Mode())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return PrivateKey{}, fmt.Errorf("cannot read the key file: %w", err)
	}
	k, err := ParsePrivateKey(string(text))
	if err != nil {
		return PrivateKey{}, fmt.Errorf("cannot load key file %q: %w", path, err)
	}
	return k, nil
}

// LoadPublicKey reads the public key in a file: a public key, which everybody may read, or the public half of a key file.
func LoadPublicKey(path string) (PublicKey, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return PublicKey{}, fmt.Errorf("cannot open the key file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return PublicKey{}, fmt.Errorf("cannot read the key file: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil && block.Type == labelPrivate {
		key, err := LoadKey(path)
		if err != nil {
			return PublicKey{}, err
		}
		return key.Public(), nil
	}
	public, err := ParsePublicKey(string(text))
	if err != nil {
		return PublicKey{}, fmt.Errorf("cannot load the public key %q: %w", path, err)
	}
	return public, nil
}

// LoadOrCreateKey reads the key file at path, or writes a new one with mode 0600 when there is none. Of several callers
// at once one key wins and all of them answer it; a crash leaves either no key or a whole one.
func LoadOrCreateKey(path string, entropy io.Reader) (PrivateKey, error) {
	k, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = Generate(entropy); err != nil {
		return PrivateKey{}, err
	}
	if err := k.Save(path); errors.Is(err, fs.ErrExist) {
		k, err := LoadKey(path)
		if errors.Is(err, fs.ErrNotExist) { // a link that leads nowhere, which is not followed: who made it would say where a key goes
			return PrivateKey{}, fmt.Errorf("cannot create key file %q: it is a link that leads nowhere", path)
		}
		return k, err
	} else if err != nil {
		return PrivateKey{}, err
	}
	return k, nil
}

// Save writes the key to a new file with mode 0600. A file that is there stays, and the error is fs.ErrExist.
func (k PrivateKey) Save(path string) error {
	if err := k.create(path); err != nil {
		return fmt.Errorf("cannot create key file %q: %w", path, err)
	}
	return nil
}

// create links a finished temporary file into place, since a rename would replace a key made in the meantime.
func (k PrivateKey) create(path string) (err error) {
	text, err := k.PEM()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
