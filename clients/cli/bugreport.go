package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
)

// maxReport bounds what a server may put into a report.
const maxReport = 128 << 20

func (a *app) bugreportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "bugreport [FILE]", Short: "Gather what a report about a defect needs into one file", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // names of files
		},
		Long: `Gather versions, checks, capabilities, figures, resources and logs into a file that can be
sent to somebody who looks for a defect. It says what is in it.

Passwords, tokens and keys are removed by the server before anything is sent. Names of
services and addresses in the network stay: look at the file before you give it away. When
the server does not answer, the file says why.`,
		Example: "  hearth bugreport\n  hearth bugreport report.tar.gz",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "hearth-report-" + time.Now().UTC().Format("20060102-150405") + ".tar.gz"
			if len(args) > 0 {
				name = args[0]
			}
			return a.bugreport(cmd, name)
		},
	}
}

// reportFile is a file of a report.
type reportFile struct {
	name, about string
	data        []byte
}

func (a *app) bugreport(cmd *cobra.Command, name string) error {
	checks := a.examine(cmd.Context())
	var found bytes.Buffer
	for _, c := range checks {
		raw, err := protojson.Marshal(c)
		if err != nil {
			return err
		}
		found.Write(append(raw, '\n'))
	}
	files := []reportFile{
		{"client/version.txt", a.say("report.version", nil), fmt.Appendf(nil, "hearth %s, %s, %s/%s\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)},
		{"client/doctor.jsonl", a.say("report.doctor", nil), found.Bytes()},
	}
	err := a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		more, err := collectReport(ctx, c)
		files = append(files, more...)
		return err
	})
	if err != nil {
		if cmd.Context().Err() != nil {
			return err
		}
		files = append(files, reportFile{"client/server-error.txt", a.say("report.unreached", nil), []byte(err.Error() + "\n")})
	}
	if err := writeReport(name, files); err != nil {
		return err
	}
	return a.tellReport(name, files)
}

// collectReport receives the parts of the server.
func collectReport(ctx context.Context, c *hearth.Client) ([]reportFile, error) {
	stream, err := c.Diagnostics.CollectReport(ctx, &diagnosticsv1.CollectReportRequest{})
	if err != nil {
		return nil, err
	}
	var files []reportFile
	size := 0
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return files, err
		}
		if size += len(piece.GetData()); size > maxReport {
			return files, unable("failed.report-large", nil, "Size", fmt.Sprintf("%d MiB", maxReport>>20))
		}
		if n := len(files); n == 0 || files[n-1].name != piece.GetName() {
			files = append(files, reportFile{name: piece.GetName(), about: piece.GetAbout()})
		}
		last := &files[len(files)-1]
		last.data = append(last.data, piece.GetData()...)
	}
}

// writeReport writes a file for its owner alone. One that is there is not written over.
func writeReport(name string, files []reportFile) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return unable("failed.report-write", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	packed := gzip.NewWriter(f)
	archive := tar.NewWriter(packed)
	var about strings.Builder
	for _, file := range files {
		fmt.Fprintf(&about, "%s\n    %s (%d bytes)\n", file.name, file.about, len(file.data))
	}
	for _, file := range append([]reportFile{{name: "CONTENTS.txt", data: []byte(about.String())}}, files...) {
		// Names come from the server: nothing may lie outside of the one folder.
		head := &tar.Header{Name: path.Join("hearth-report", path.Clean("/"+file.name)), Mode: 0o600, Size: int64(len(file.data)), ModTime: time.Now()}
		if err := archive.WriteHeader(head); err != nil {
			return errors.Join(err, f.Close())
		}
		if _, err := archive.Write(file.data); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(archive.Close(), packed.Close(), f.Sync(), f.Close())
}

func (a *app) tellReport(name string, files []reportFile) error {
	if a.rows() {
		list := []any{}
		for _, f := range files {
			list = append(list, map[string]any{"name": f.name, "about": f.about, "size": len(f.data)})
		}
		return a.printRow(map[string]any{"file": name, "contents": list})
	}
	var table [][]string
	for _, f := range files {
		table = append(table, []string{f.name, size(uint64(len(f.data))), f.about})
	}
	if err := a.table([]string{"in it", "size", "what it is"}, table); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "%s\n", a.say("report.written", map[string]any{"File": name}))
	return nil
}
