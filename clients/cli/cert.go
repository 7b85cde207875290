package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	certificatesv1 "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) certCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "cert", Short: "The server's own certificates: its root, and those for devices",
		Long: `The server is its own certificate authority. Devices trust its root once, and then the
server and all its services. The authority also makes certificates for devices of the
network, such as a printer or a router.`,
		Example: "  hearth cert root >ca.crt\n  hearth cert issue printer.lan 192.168.1.9 --out printer",
	}
	c.AddCommand(a.certRootCommand(), a.certListCommand(), a.certIssueCommand(), a.certForgetCommand())
	return c
}

func (a *app) certRootCommand() *cobra.Command {
	var apple bool
	c := &cobra.Command{
		Use: "root", Short: "Print the root certificate, and where devices learn to trust it", Args: cobra.NoArgs,
		Long: `Print the root certificate as PEM, or as a profile for Apple's systems. The fingerprint to
compare, and the addresses of the page that explains how to trust it, go to standard
error.`,
		Example: "  hearth cert root >ca.crt\n  hearth cert root --apple >ca.mobileconfig",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Certificates.GetRoot(ctx, &certificatesv1.GetRootRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp))
				}
				content := resp.GetPem()
				if apple {
					content = resp.GetAppleProfile()
				}
				if _, err := io.WriteString(a.Out, content); err != nil {
					return err
				}
				fmt.Fprintln(a.Err, a.say("cert.fingerprint", map[string]any{"Fingerprint": resp.GetFingerprint()}))
				for _, u := range resp.GetTrustUrls() {
					fmt.Fprintln(a.Err, a.say("cert.trust", map[string]any{"URL": u}))
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&apple, "apple", false, "a profile for iPhone, iPad and Mac (.mobileconfig)")
	return c
}

func (a *app) certListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what the authority has signed", Args: cobra.NoArgs,
		Example: "  hearth cert list\n  hearth cert list --output json | jq -r 'select(.holder == \"device\") | .names[]'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Certificates.ListCertificates(ctx, &certificatesv1.ListCertificatesRequest{})
				if err != nil {
					return err
				}
				return a.printCertificates(resp.GetCertificates())
			})
		},
	}
}

// maxNamesShown keeps a line of the table readable: the server's certificate has all its addresses.
const maxNamesShown = 4

func (a *app) printCertificates(list []*certificatesv1.Certificate) error {
	if a.rows() {
		return printRows(a, list)
	}
	var table [][]string
	for _, c := range list {
		names := c.GetNames()
		more := ""
		if len(names) > maxNamesShown {
			names, more = names[:maxNamesShown], fmt.Sprintf(" (+%d)", len(names)-maxNamesShown)
		}
		table = append(table, []string{
			c.GetId(), word(c.GetHolder()), word(c.GetAlgorithm()), c.GetExpireTime().AsTime().Local().Format(time.DateOnly), printable(strings.Join(names, " ")) + more,
		})
	}
	return a.table([]string{"id", "holder", "algorithm", "expires", "names"}, table)
}

func (a *app) certIssueCommand() *cobra.Command {
	var ed25519, force bool
	var out string
	c := &cobra.Command{
		Use: "issue NAME...", Short: "Make a certificate for a device of the network", Args: cobra.MinimumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Make a certificate for a device of the network, by its names and addresses, and print its key
and its chain as PEM. With --out NAME the chain goes to NAME.crt and the key to NAME.key.

Signed are private addresses and names that mean something in your network alone, such as
those below .local, .lan, .home.arpa and .internal, and below a domain that the server has;
none that is the server's or a service's. It is valid for about 13 months; call it again
from a month before its end on for a new certificate for the same key.`,
		Example: "  hearth cert issue printer.lan 192.168.1.9 --out printer\n  hearth cert issue '*.lab.home.arpa' --out lab",
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &certificatesv1.CreateCertificateRequest{Names: args, Algorithm: certificatesv1.Certificate_ALGORITHM_ECDSA}
			if ed25519 {
				req.Algorithm = certificatesv1.Certificate_ALGORITHM_ED25519
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if out == "" {
					resp, err := c.Certificates.CreateCertificate(ctx, req)
					if err != nil {
						return err
					}
					return a.printPair(resp)
				}
				if err := freeToWrite(out, force); err != nil {
					return err
				}
				scratch, err := newScratch(filepath.Dir(out)) // what cannot be written is not made either
				if err != nil {
					return err
				}
				defer scratch.remove()
				resp, err := c.Certificates.CreateCertificate(ctx, req)
				if err != nil {
					return err
				}
				return a.writePair(resp, scratch, out)
			})
		},
	}
	c.Flags().BoolVar(&ed25519, "ed25519", false, "an Ed25519 key, which browsers do not take, instead of ECDSA")
	c.Flags().StringVar(&out, "out", "", "write NAME.crt and NAME.key instead of printing them")
	c.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	return c
}

// pairFiles are the files of a certificate and of its key.
func pairFiles(out string) (chain, key string) { return out + ".crt", out + ".key" }

// freeToWrite refuses to overwrite what is there, before anything is asked of the server.
func freeToWrite(out string, force bool) error {
	if force {
		return nil
	}
	chain, key := pairFiles(out)
	for _, file := range []string{chain, key} {
		if _, err := os.Lstat(file); err == nil {
			return wrong("usage.cert-out", "File", file)
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// printPair prints a certificate and its key.
func (a *app) printPair(resp *certificatesv1.CreateCertificateResponse) error {
	if a.rows() {
		row := flatten(resp.GetCertificate())
		row["chain"], row["key"] = resp.GetChain(), resp.GetKey()
		return a.printRow(row)
	}
	_, err := io.WriteString(a.Out, resp.GetKey()+resp.GetChain())
	return err
}

// writePair writes a certificate and its key to files, by way of a folder beside them.
func (a *app) writePair(resp *certificatesv1.CreateCertificateResponse, scratch *scratch, out string) error {
	chain, key := pairFiles(out)
	for file, content := range map[string]string{chain: resp.GetChain(), key: resp.GetKey()} {
		mode := os.FileMode(0o600)
		if file == chain {
			mode = 0o644
		}
		part := scratch.path(filepath.Base(file))
		if err := os.WriteFile(part, []byte(content), mode); err != nil {
			return err
		}
	}
	for _, file := range []string{key, chain} { // a certificate without its key is of no use
		if err := os.Rename(scratch.path(filepath.Base(file)), file); err != nil {
			return err
		}
	}
	if a.rows() {
		row := flatten(resp.GetCertificate())
		row["chainFile"], row["keyFile"] = chain, key
		return a.printRow(row)
	}
	for _, file := range []string{chain, key} {
		a.tell("cert.written", map[string]any{"File": file})
	}
	return nil
}

func (a *app) certForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget ID", Short: "Forget a certificate of a device and its key", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeCertificate,
		Long: `Forget a certificate of a device and its key. What the device has of it is valid to its end:
devices ask nobody whether a certificate was taken back.`,
		Example: "  hearth cert forget 3b0c61f08a9d3f1c2f6f4f0f9d7b5a4e0c1d2e3f",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Certificates.DeleteCertificate(ctx, &certificatesv1.DeleteCertificateRequest{Id: args[0]}); err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"id": args[0], "forgotten": true})
				}
				a.tell("cert.forgotten", map[string]any{"ID": printable(args[0])})
				return nil
			})
		},
	}
}

// completeCertificate completes the ids of certificates of devices.
func (a *app) completeCertificate(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Certificates.ListCertificates(ctx, &certificatesv1.ListCertificatesRequest{})
			for _, one := range resp.GetCertificates() {
				if one.GetHolder() == certificatesv1.Certificate_HOLDER_DEVICE {
					list = append(list, one.GetId()+"\t"+printable(strings.Join(one.GetNames(), " ")))
				}
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
