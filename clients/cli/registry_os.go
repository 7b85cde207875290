package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/sign"
	"github.com/spf13/cobra"
)

func (a *app) registryOSCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{Use: "os", Short: "Say which versions of the system a registry has", Example: "  hearth registry os list --registry https://registry.example.org"}
	p.flags(c)
	version := func(args []string) map[string]any { return map[string]any{"version": args[0]} }
	signer := func(args []string) map[string]any { return map[string]any{"version": args[0], "signer": args[1]} }
	c.AddCommand(a.osListCommand(p),
		p.simple("add VERSION HEADLINE NOTES FROM", "Add a version of the system, reached from a range of versions, or change what is said of it", "  hearth registry os add 1.1.0 'A release' 'What is new' '>=1.0.0'", "os.version.add", func(args []string) map[string]any {
			return map[string]any{"version": args[0], "headline": args[1], "releaseNotes": args[2], "sourceVersion": args[3]}
		}),
		p.simple("remove VERSION", "Take a version of the system out", "  hearth registry os remove 1.1.0", "os.version.remove", version),
		p.simple("allow VERSION SIGNER", "Let a signer publish the images of a version", "  hearth registry os allow 1.1.0 SIGNER", "os.version.signer.add", signer),
		p.simple("forbid VERSION SIGNER", "End that a signer may publish the images of a version", "  hearth registry os forbid 1.1.0 SIGNER", "os.version.signer.remove", signer),
		a.osPromoteCommand(p))
	return c
}

func (a *app) osListCommand(p *publisher) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the versions of the system with their images", Args: cobra.NoArgs, Example: "  hearth registry os list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := p.open(false)
			if err != nil {
				return err
			}
			var index registry.OSIndex
			if err := client.Call(cmd.Context(), "os.index", struct{}{}, &index); err != nil {
				return err
			}
			var table [][]string
			for _, version := range slices.Sorted(maps.Keys(index.Versions)) {
				v := index.Versions[version]
				var images []string
				for kind, assets := range imagesOf(v) {
					for platform := range assets {
						images = append(images, kind+"/"+platform)
					}
				}
				slices.Sort(images)
				if a.rows() {
					if err := a.printRow(map[string]any{"version": version, "headline": v.Headline, "from": v.SourceVersion.String(), "images": images}); err != nil {
						return err
					}
				}
				table = append(table, []string{printable(version), printable(v.Headline), v.SourceVersion.String(), printable(strings.Join(images, ", "))})
			}
			if a.rows() {
				return nil
			}
			return a.table([]string{"version", "description", "from", "images"}, table)
		},
	}
}

// imagesOf are the images of a version by kind and platform.
func imagesOf(v *registry.OSVersion) map[string]map[string]registry.OSAsset {
	return map[string]map[string]registry.OSAsset{"iso": v.ISO, "img": v.IMG, "squashfs": v.Squashfs}
}

func (a *app) osPromoteCommand(p *publisher) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "promote VERSION", Short: "List a version of the system of one registry in another, its images signed by you", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry os promote 1.1.0 --registry https://test.example.org --to https://registry.example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return wrong("usage.registry-to")
			}
			from, key, err := p.open(true)
			if err != nil {
				return err
			}
			if to, err = a.registryAddress(to); err != nil {
				return err
			}
			target, err := registry.NewClient(to, registry.Options{Key: key})
			if err != nil {
				return err
			}
			if err := promoteOS(cmd.Context(), from, target, *key, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Err, a.say("registry.os-published", map[string]any{"Version": args[0], "Registry": target.Base()}))
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "address of the other registry, or its name in hearth.yaml")
	return c
}

// promoteOS lists a version of the system and all places of its images in another registry. Images are listed only with signatures
// that verify.
func promoteOS(ctx context.Context, from, to *registry.Client, key sign.PrivateKey, version string) error {
	var index registry.OSIndex
	if err := from.Call(ctx, "os.index", struct{}{}, &index); err != nil {
		return err
	}
	v := index.Versions[version]
	if v == nil {
		return unable("failed.os-version", nil, "Version", version)
	}
	type image struct {
		kind, platform string
		asset          registry.OSAsset
		signature      sign.Signature
	}
	var images []image
	for kind, assets := range imagesOf(v) {
		for platform, asset := range assets {
			message, err := verifyImage(asset)
			if err != nil {
				return unable("failed.registry-image", err, "Kind", kind, "Platform", platform)
			}
			signature, err := key.Sign(sign.ContextOS, message)
			if err != nil {
				return err
			}
			images = append(images, image{kind, platform, asset, signature})
		}
	}
	err := to.Call(ctx, "os.version.add", map[string]any{"version": version, "headline": v.Headline, "releaseNotes": v.ReleaseNotes, "sourceVersion": v.SourceVersion}, nil)
	if err != nil {
		return err
	}
	for _, i := range images {
		for _, url := range i.asset.URLs {
			if err := to.Call(ctx, "os.asset.add."+i.kind, map[string]any{
				"version": version, "platform": i.platform, "url": url, "commitment": i.asset.Commitment, "signature": i.signature.PEM(),
			}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// verifyImage checks every signature over an image, and answers what they are over.
func verifyImage(asset registry.OSAsset) ([]byte, error) {
	hash, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(asset.Commitment.Hash, "="))
	if err != nil || len(hash) != 32 {
		return nil, unable("failed.image-hash", nil)
	}
	message := binary.BigEndian.AppendUint64(hash, asset.Commitment.Size)
	if len(asset.Signatures) == 0 {
		return nil, unable("failed.image-unsigned", nil)
	}
	for key, text := range asset.Signatures {
		k, err := sign.ParsePublicKey(key)
		if err != nil {
			return nil, err
		}
		signature, err := sign.ParseSignature(text)
		if err != nil {
			return nil, err
		}
		if err := k.Verify(sign.ContextOS, message, signature); err != nil {
			return nil, err
		}
	}
	return message, nil
}

func (a *app) registryMetricsCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{
		Use: "metrics", Short: "Tell how many servers ask a registry, and how often", Args: cobra.NoArgs, Example: "  hearth registry metrics --registry https://registry.example.org",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var m struct {
				Checkins uint64 `json:"totalCheckins"`
				Servers  uint64 `json:"uniqueServers"`
				Requests uint64 `json:"totalPackageRequests"`
			}
			if err := p.call(cmd.Context(), "metrics.summary", struct{}{}, &m); err != nil {
				return err
			}
			if a.rows() {
				return a.printRow(map[string]any{"servers": m.Servers, "checkins": m.Checkins, "package_requests": m.Requests})
			}
			return a.table([]string{"servers", "checkins", "requests"}, [][]string{{strconv.FormatUint(m.Servers, 10), strconv.FormatUint(m.Checkins, 10), strconv.FormatUint(m.Requests, 10)}})
		},
	}
	p.flags(c)
	return c
}
