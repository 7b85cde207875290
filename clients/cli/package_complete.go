package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

// What a shell is told of registries while somebody waits for the completion of a word: what they say in this time, unless
// $HEARTH_COMPLETION_LIMIT is another, and no more than so many packages of each.
const (
	completeLimit = 2 * time.Second
	completeMost  = 1000
)

// completionLimit is how long the completion of a word may take.
func completionLimit() time.Duration {
	if limit, err := time.ParseDuration(os.Getenv("HEARTH_COMPLETION_LIMIT")); err == nil {
		return limit
	}
	return completeLimit
}

// offered asks the registries that the server knows, or the one of the flag --registry, all at once, each for itself: one
// that is slow or away costs nothing but its own words.
func (a *app) offered(cmd *cobra.Command, ask func(ctx context.Context, c *hearth.Client, registry string) []string) []string {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit())
	defer cancel()
	cmd.SetContext(ctx)
	var found []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		registries, err := a.registriesAsked(ctx, c, cmd)
		if err != nil {
			return err
		}
		answers := make([][]string, len(registries))
		var asked sync.WaitGroup
		for i, id := range registries {
			asked.Go(func() { answers[i] = ask(ctx, c, id) })
		}
		asked.Wait()
		found = slices.Concat(answers...)
		return nil
	})
	slices.SortStableFunc(found, func(x, y string) int { return strings.Compare(wordOf(x), wordOf(y)) })
	return slices.CompactFunc(found, func(x, y string) bool { return wordOf(x) == wordOf(y) })
}

// registriesAsked are the ids of the registries that a command means.
func (a *app) registriesAsked(ctx context.Context, c *hearth.Client, cmd *cobra.Command) ([]string, error) {
	if named, err := cmd.Flags().GetString("registry"); err == nil && named != "" {
		id, err := a.registryID(ctx, c, named)
		return []string{id}, err
	}
	resp, err := c.Registries.ListRegistries(ctx, &registriesv1.ListRegistriesRequest{})
	var list []string
	for _, r := range resp.GetRegistries() {
		list = append(list, r.GetMeta().GetId())
	}
	return list, err
}

// wordOf is a completion without what is told of it.
func wordOf(completion string) string {
	word, _, _ := strings.Cut(completion, "\t")
	return word
}

// offeredPackages are the packages whose ids begin like this.
func (a *app) offeredPackages(cmd *cobra.Command, typed string) []string {
	return a.offered(cmd, func(ctx context.Context, c *hearth.Client, registry string) []string {
		var list []string
		req := &registriesv1.SearchPackagesRequest{Registry: registry, Query: typed, Language: a.locale(), PageSize: 500}
		for seen := 0; seen < completeMost; {
			resp, err := c.Registries.SearchPackages(ctx, req)
			if err != nil {
				break
			}
			for _, o := range resp.GetOffers() {
				if best := o.GetBest(); strings.HasPrefix(o.GetPackageId(), typed) && len(best) > 0 {
					list = append(list, o.GetPackageId()+"\t"+printable(brief(best[0].GetTitle())))
				}
			}
			seen += len(resp.GetOffers())
			if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		return list
	})
}

// offeredVersions are the versions of a package, each behind what stands before it.
func (a *app) offeredVersions(cmd *cobra.Command, id, before string) []string {
	return a.offered(cmd, func(ctx context.Context, c *hearth.Client, registry string) []string {
		resp, err := c.Registries.GetOffer(ctx, &registriesv1.GetOfferRequest{PackageId: id, Registry: registry, Language: a.locale()})
		if err != nil {
			return nil
		}
		var list []string
		for _, v := range resp.GetOffer().GetBest() {
			list = append(list, before+v.GetVersion()+"\t"+printable(resp.GetOffer().GetRegistry()))
		}
		for _, v := range resp.GetOffer().GetOtherVersions() {
			list = append(list, before+printable(v)+"\t"+printable(resp.GetOffer().GetRegistry()))
		}
		return list
	})
}

// completeOffer completes ID[@VERSION] by what registries have.
func (a *app) completeOffer(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if id, _, versions := strings.Cut(typed, "@"); versions {
		return a.offeredVersions(cmd, id, id+"@"), cobra.ShellCompDirectiveNoFileComp
	}
	return a.offeredPackages(cmd, typed), cobra.ShellCompDirectiveNoFileComp
}

// completeInstallable completes what can be installed: package files, and what registries have.
func (a *app) completeInstallable(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 && !strings.ContainsAny(typed, `/\~`) {
		list, _ = a.completeOffer(cmd, args, typed)
		if files, _ := filepath.Glob("*.s9pk"); len(list) > 0 && !strings.Contains(typed, "@") {
			list = append(list, files...)
		}
	}
	if len(list) > 0 || len(args) > 0 {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"s9pk"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeVersion completes the version of the package that is named first.
func (a *app) completeVersion(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.offeredVersions(cmd, args[0], ""), cobra.ShellCompDirectiveNoFileComp
}

// completeSkip completes a package and a version of it.
func (a *app) completeSkip(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeInstalled(cmd, args, typed)
	}
	return a.completeVersion(cmd, args, typed)
}

// completeRegistryFlag completes the ids of registries behind a flag, whatever the arguments.
func (a *app) completeRegistryFlag(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completeRegistry(cmd, nil, typed)
}
