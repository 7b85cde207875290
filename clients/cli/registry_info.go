package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/spf13/cobra"
)

// maxRegistryIcon is how large a registry's own icon may be, which everybody is sent who asks for its name.
const maxRegistryIcon = 128 << 10

func (a *app) registryInfoCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{Use: "info", Short: "Show what a registry says of itself, or change it", Example: "  hearth registry info show --registry https://registry.example.org"}
	p.flags(c)
	show := &cobra.Command{
		Use: "show", Short: "Show the name of a registry", Args: cobra.NoArgs, Example: "  hearth registry info show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := p.open(false)
			if err != nil {
				return err
			}
			info, err := client.Info(cmd.Context())
			if err != nil {
				return err
			}
			row := map[string]any{"registry": client.Base(), "name": info.Name, "icon": info.Icon != nil}
			if a.rows() {
				return a.printRow(row)
			}
			name, icon := "", ""
			if info.Name != nil {
				name = *info.Name
			}
			if info.Icon != nil {
				icon = a.worded("word.yes")
			}
			return a.table([]string{"registry", "name", "icon"}, [][]string{{client.Base(), name, icon}})
		},
	}
	var name, icon string
	set := &cobra.Command{
		Use: "set", Short: "Give a registry a name and an icon", Args: cobra.NoArgs, Example: "  hearth registry info set --name 'Our packages' --icon registry.svg",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("name") && icon == "" {
				return wrong("usage.registry-info")
			}
			if icon != "" {
				data, err := iconURL(icon)
				if err != nil {
					return err
				}
				if err := p.call(cmd.Context(), "info.set-icon", map[string]any{"icon": data}, nil); err != nil {
					return err
				}
			}
			if !cmd.Flags().Changed("name") {
				return nil
			}
			return p.call(cmd.Context(), "info.set-name", map[string]any{"name": name}, nil)
		},
	}
	set.Flags().StringVar(&name, "name", "", "what the registry is called")
	set.Flags().StringVar(&icon, "icon", "", "file of its icon: PNG, SVG, WebP, JPEG or GIF, 128 KiB at most")
	c.AddCommand(show, set)
	return c
}

// iconURL is an image in a file as a data URL.
func iconURL(path string) (string, error) {
	kind := s9pk.IconType(strings.ToLower(path))
	if kind == "" {
		return "", wrong("usage.registry-icon", "File", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxRegistryIcon+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxRegistryIcon {
		return "", wrong("usage.registry-icon", "File", path)
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(raw), nil
}

func (a *app) registryPackageListCommand(p *publisher) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the packages of a registry and their newest versions", Args: cobra.NoArgs, Example: "  hearth registry package list\n  hearth registry package list --output json | jq -r .id",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := p.open(false)
			if err != nil {
				return err
			}
			var table [][]string
			err = c.All(cmd.Context(), func(id string, l registry.Listing) error {
				versions, title := []string{}, ""
				for _, best := range registry.Candidates(l.Best) {
					versions = append(versions, best.Exver.String())
					title = cmp.Or(title, best.Version.Title)
				}
				if a.rows() {
					return a.printRow(map[string]any{"id": id, "title": title, "versions": versions, "otherVersions": len(l.OtherVersions), "categories": l.Categories})
				}
				table = append(table, []string{id, title, strings.Join(versions, " "), fmt.Sprint(len(l.OtherVersions)), strings.Join(l.Categories, " ")})
				return nil
			})
			if err != nil || a.rows() {
				return err
			}
			slices.SortFunc(table, slices.Compare)
			return a.table([]string{"id", "title", "version", "others", "categories"}, table)
		},
	}
}

// registryMirrorCommand says where else the files of a package lie. Who lists an address signs the file anew.
func (a *app) registryMirrorCommand(p *publisher) *cobra.Command {
	c := &cobra.Command{Use: "mirror", Short: "Say where else the file of a package lies", Example: "  hearth registry package mirror add hello@1.0.0:0 https://files.example.org/hello.s9pk"}
	c.AddCommand(&cobra.Command{
		Use: "add ID@VERSION URL", Short: "List another address of a package file", Args: cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry package mirror add hello@1.0.0:0 https://files.example.org/hello.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, key, err := p.open(true)
			if err != nil {
				return err
			}
			_, v, err := listed(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			var refused error
			for _, file := range v.Whole().Files { // there may be one for each architecture; the registry tells which lies there
				signature, err := signListed(*key, file.Asset)
				if err != nil {
					return err
				}
				err = c.Call(cmd.Context(), "package.add-mirror", registry.AddMirrorParams{URL: args[1], Commitment: file.Asset.Commitment, Signature: signature.PEM()}, nil)
				if err == nil {
					return nil
				}
				refused = errors.Join(refused, err)
			}
			return refused
		},
	}, &cobra.Command{
		Use: "remove ID@VERSION URL", Short: "Take an address of a package file out; the last one stays", Args: cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry package mirror remove hello@1.0.0:0 https://files.example.org/hello.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, _ := strings.Cut(args[0], "@")
			return p.call(cmd.Context(), "package.remove-mirror", map[string]any{"id": id, "version": version, "url": args[1]}, nil)
		},
	})
	return c
}
