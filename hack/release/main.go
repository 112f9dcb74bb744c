// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	plugin = "kubectl-agentdisconnect"
	source = "cmd/" + plugin
)

// allPlatforms are the platforms of a release.
const allPlatforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

// release is one version of the plugin.
type release struct {
	Version string
	// Source is the page of the repository, below which the archives are downloaded from.
	Source string
	// Docs is the URL of the repository's files at this version, with a slash at its end. Empty: messages name paths.
	Docs string
	// time is that of the files in the archives.
	time time.Time
	// dir is where the release is written.
	dir string
}

func main() {
	var r release
	var platforms string
	flag.StringVar(&r.Version, "version", "", "the version, such as v0.1.0")
	flag.StringVar(&r.Source, "source", "", "the page of the repository, below which releases are downloaded from")
	flag.StringVar(&r.Docs, "docs", "", "the URL of the repository's files, with a slash at its end; empty: messages name paths")
	flag.StringVar(&r.dir, "dir", "dist", "the folder to write")
	flag.StringVar(&platforms, "platforms", allPlatforms, "the platforms to build for")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := r.write(ctx, strings.Split(platforms, ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// version is a semantic version with a v, as tags have it. check.sh has the same pattern.
var version = regexp.MustCompile(`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$`)

// write builds the plugin for each platform, and writes the archives, the krew manifest and the checksums of all of them.
func (r *release) write(ctx context.Context, platforms []string) error {
	if !version.MatchString(r.Version) {
		return fmt.Errorf("-version is %q: it must be a semantic version, such as v0.1.0", r.Version)
	}
	if !strings.HasPrefix(r.Source, "https://") {
		return fmt.Errorf("-source is %q: it must be the https:// URL of the repository", r.Source)
	}
	if r.Docs != "" && (!strings.HasPrefix(r.Docs, "https://") || !strings.HasSuffix(r.Docs, "/")) {
		return fmt.Errorf("-docs is %q: it must be the https:// URL of the repository's files, with a slash at its end", r.Docs)
	}
	var err error
	if r.time, err = commitTime(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}

	var archives []archive
	for _, platform := range platforms {
		made, err := r.build(ctx, platform)
		if err != nil {
			return fmt.Errorf("building for %s: %w", platform, err)
		}
		archives = append(archives, made)
		fmt.Println(made.SHA256, "", made.name)
	}
	manifest := filepath.Join(r.dir, "agentdisconnect.yaml")
	if err := r.writeManifest(manifest, archives); err != nil {
		return fmt.Errorf("writing the manifest for krew: %w", err)
	}
	sum, err := checksum(manifest)
	if err != nil {
		return err
	}
	return r.writeChecksums(append(archives, archive{name: filepath.Base(manifest), SHA256: sum}))
}

// commitTime is the time of the commit that is built, so that the archives do not depend on when they are made.
func commitTime(ctx context.Context) (time.Time, error) {
	said, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("asking git for the time of the commit: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(said)), 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// build compiles the plugin for a platform and packs it.
func (r *release) build(ctx context.Context, platform string) (archive, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return archive{}, fmt.Errorf("%q is no platform, such as linux/amd64", platform)
	}
	dir, err := os.MkdirTemp("", plugin)
	if err != nil {
		return archive{}, err
	}
	defer os.RemoveAll(dir)

	made := archive{OS: goos, Arch: goarch, Binary: plugin}
	if goos == "windows" {
		made.Binary += ".exe"
	}
	binary := filepath.Join(dir, made.Binary)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w "+r.stamps(), "-o", binary, "./"+source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if said, err := cmd.CombinedOutput(); err != nil {
		return archive{}, fmt.Errorf("%w\n%s", err, said)
	}
	return r.pack(made, []string{binary, filepath.Join(source, "kubectl_complete-agentdisconnect"), "LICENSE"})
}

// stamps are the linker's flags that set the version and the links, as the Makefile has them.
func (r *release) stamps() string {
	return "-X main.version=" + r.Version + " -X agentdisconnect.dev/agentdisconnect/controllers/pages.Base=" + r.Docs
}

// pack writes the archive of a platform, of the kind that is usual there.
func (r *release) pack(made archive, files []string) (archive, error) {
	made.name = fmt.Sprintf("%s_%s_%s_%s", plugin, r.Version, made.OS, made.Arch)
	write, suffix := writeTar, ".tar.gz"
	if made.OS == "windows" {
		write, suffix = writeZip, ".zip"
	}
	made.name += suffix
	made.URL = r.Source + "/releases/download/" + r.Version + "/" + made.name
	path := filepath.Join(r.dir, made.name)
	if err := write(path, files, r.time); err != nil {
		return archive{}, err
	}
	var err error
	made.SHA256, err = checksum(path)
	return made, err
}

// writeChecksums writes what `sha256sum --check` reads.
func (r *release) writeChecksums(files []archive) error {
	var lines []string
	for _, file := range files {
		lines = append(lines, file.SHA256+"  "+file.name+"\n")
	}
	slices.Sort(lines)
	return os.WriteFile(filepath.Join(r.dir, "checksums.txt"), []byte(strings.Join(lines, "")), 0o644)
}
