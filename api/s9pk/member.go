package s9pk

import (
	"strings"
)

const maxDescription = 1 << 20

// ImageDefaults are what a container image says about running it.
type ImageDefaults struct {
	Workdir    string
	User       string
	Entrypoint []string
	Cmd        []string
	Env        []string // K=V each
}

// ImageDefaults reads and verifies the two small members of an image.
func (f *File) ImageDefaults(files ImageFiles) (ImageDefaults, error) {
	d := ImageDefaults{Workdir: "/", User: "root"}
	raw, err := f.ReadFile(files.JSON, maxDescription)
	if err != nil {
		return ImageDefaults{}, err
	}
	o, err := f.object(files.JSON, raw)
	if err != nil {
		return ImageDefaults{}, err
	}
	in := fields{from: o}
	in.may("workdir", &d.Workdir)
	in.may("user", &d.User)
	in.may("entrypoint", &d.Entrypoint)
	in.may("cmd", &d.Cmd)
	if in.err != nil {
		return ImageDefaults{}, refuseMember(BadMember, files.JSON, "it does not describe an image", in.err)
	}
	if d.Workdir == "" {
		d.Workdir = "/"
	}
	if d.User == "" {
		d.User = "root"
	}
	env, err := f.ReadFile(files.Env, maxDescription)
	if err != nil {
		return ImageDefaults{}, err
	}
	for line := range strings.SplitSeq(string(env), "\n") {
		// A value may itself contain newlines in the original's writer; such a line has no "=" or no name and is dropped.
		if name, _, ok := strings.Cut(line, "="); ok && name != "" && !strings.Contains(line, "\x00") {
			d.Env = append(d.Env, line)
		}
	}
	return d, nil
}

// DependencyTitle reads the title a package gives to a dependency.
func (f *File) DependencyTitle(files DependencyFiles) (LocaleString, error) {
	raw, err := f.ReadFile(files.Metadata, maxDescription)
	if err != nil {
		return LocaleString{}, err
	}
	o, err := f.object(files.Metadata, raw)
	if err != nil {
		return LocaleString{}, err
	}
	var title LocaleString
	in := fields{from: o}
	in.need("title", &title)
	if in.err != nil {
		return LocaleString{}, refuseMember(BadMember, files.Metadata, "it does not describe a dependency", in.err)
	}
	return title, nil
}

func (f *File) object(path string, raw []byte) (object, error) {
	err := checkJSON(raw)
	var o object
	if err == nil {
		o, err = parseObject(raw)
	}
	if err != nil {
		return nil, refuseMember(BadMember, path, "it is not a clean JSON object", err)
	}
	return o, nil
}
