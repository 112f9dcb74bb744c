// SPDX-License-Identifier: Apache-2.0

// Package docker tests the Dockerfile as far as that goes without a container engine.
package docker

import (
	"bytes"
	"debug/elf"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// TestBuildLine runs the go build line of the Dockerfile as it stands there, on a copy of what the Dockerfile copies.
func TestBuildLine(t *testing.T) {
	build := stages(t)[0]
	src := t.TempDir()
	copySources(t, build, src)

	const stamped, docs = "v1.2.3-dockerfile", "https://git.example.com/agentdisconnect/blob/v1.2.3/"
	compile := exec.CommandContext(t.Context(), "sh", "-c", buildLine(t, build))
	compile.Dir = src
	compile.Env = append(os.Environ(), "GOWORK=off", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH, "VERSION="+stamped, "DOCS="+docs)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compile, err, out)
	}

	binary := filepath.Join(src, "manager")
	requireStatic(t, binary)
	if content, err := os.ReadFile(binary); err != nil || !bytes.Contains(content, []byte(docs)) {
		t.Errorf("the manager's messages do not link %s: %v", docs, err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the binary is for Linux: its version can't be asked here")
	}
	out, err := exec.CommandContext(t.Context(), binary, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("manager --version: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), stamped) {
		t.Errorf("manager --version says %q, want the stamped %s in it", out, stamped)
	}
}

// instruction is one of the Dockerfile's, such as COPY, and what follows it on the line.
type instruction struct{ name, args string }

// stage is a FROM with what follows it up to the next one.
type stage []instruction

// stages takes the Dockerfile apart: first the stage that compiles, then the one that is the image.
func stages(t *testing.T) []stage {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var all []stage
	for line := range strings.Lines(strings.ReplaceAll(string(dockerfile), "\\\n", " ")) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
			continue
		case name == "FROM":
			all = append(all, nil)
		case len(all) == 0:
			t.Fatalf("%s is before the first FROM", line)
		}
		all[len(all)-1] = append(all[len(all)-1], instruction{name, args})
	}
	if len(all) != 2 {
		t.Fatalf("the Dockerfile has %d stages, want one that compiles and the image's", len(all))
	}
	return all
}

// all gives what follows each instruction of a name.
func (s stage) all(name string) []string {
	var args []string
	for _, each := range s {
		if each.name == name {
			args = append(args, each.args)
		}
	}
	return args
}

var mount = regexp.MustCompile(`--mount=type=cache,target=(\S+)\s+`)

// buildLine is the command of the only RUN instruction that calls go build, without the mounts.
func buildLine(t *testing.T, build stage) string {
	t.Helper()
	var lines []string
	for _, run := range build.all("RUN") {
		if strings.Contains(run, "go build ") {
			lines = append(lines, mount.ReplaceAllString(run, ""))
		}
	}
	if len(lines) != 1 {
		t.Fatalf("the Dockerfile has %d go build lines, want 1", len(lines))
	}
	return lines[0]
}

// copySources does what the COPY instructions of the build stage do, so that a folder missing from them is noticed.
func copySources(t *testing.T, build stage, dest string) {
	t.Helper()
	copies := build.all("COPY")
	if len(copies) == 0 {
		t.Fatal("the Dockerfile copies no sources")
	}
	for _, each := range copies {
		paths := strings.Fields(each)
		for _, path := range paths[:len(paths)-1] {
			copyPath(t, path, dest)
		}
	}
}

func copyPath(t *testing.T, path, dest string) {
	t.Helper()
	from, to := filepath.Join(root, path), filepath.Join(dest, path)
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		var content []byte
		if content, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestBasesArePinned makes sure that the same Dockerfile gives the same image later.
func TestBasesArePinned(t *testing.T) {
	for _, stage := range stages(t) {
		if from := stage[0].args; !regexp.MustCompile(`\S+:\S+@sha256:[0-9a-f]{64}( |$)`).MatchString(from) {
			t.Errorf("FROM %s: pin it by tag and digest", from)
		}
	}
}

// TestTheCompilerIsNewEnough: the image of Go fetches no other toolchain.
func TestTheCompilerIsNewEnough(t *testing.T) {
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	from := stages(t)[0][0].args
	have, want := regexp.MustCompile(` golang:([\d.]+)@`).FindStringSubmatch(from), regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(module)
	if have == nil || want == nil || version.Compare("go"+have[1], "go"+string(want[1])) < 0 {
		t.Fatalf("the image is compiled by %s, and go.mod needs Go %s", from, want[1])
	}

	// The checksums of a release hold for one version of Go, the image's too.
	workflow, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "release.yml"))
	if err != nil {
		t.Fatal(err)
	}
	pins := regexp.MustCompile(`go-version: (\S+)`).FindAllStringSubmatch(string(workflow), -1)
	if len(pins) == 0 {
		t.Error("release.yml names no version of Go")
	}
	for _, pin := range pins {
		if pin[1] != have[1] {
			t.Errorf("release.yml builds with Go %s, and the Dockerfile with %s", pin[1], have[1])
		}
	}
}

// TestCompiledPackagesAreKept looks at what makes a second build a matter of linking.
func TestCompiledPackagesAreKept(t *testing.T) {
	for _, run := range stages(t)[0].all("RUN") {
		want := []string{"/go/pkg/mod"}
		if strings.Contains(run, "go build") {
			want = append(want, "/root/.cache/go-build")
		}
		var have []string
		for _, match := range mount.FindAllStringSubmatch(run, -1) {
			have = append(have, match[1])
		}
		if !slices.Equal(have, want) {
			t.Errorf("RUN %s has caches at %v, want %v", run, have, want)
		}
	}
}

// TestTheImageIsTheManagerAlone looks at the stage that becomes the image.
func TestTheImageIsTheManagerAlone(t *testing.T) {
	image := stages(t)[1]
	for name, want := range map[string][]string{
		"COPY": {"--from=build /src/manager /manager"}, "USER": {"65532:65532"}, "ENTRYPOINT": {`["/manager"]`},
		"RUN": nil, // there is no shell, and none is emulated for another platform
	} {
		if have := image.all(name); !slices.Equal(have, want) {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}

	given := map[string]string{"VERSION": "v1.2.3", "REVISION": "0a1b2c3", "SOURCE": "https://example.com/agentdisconnect"}
	declared := map[string]bool{}
	for _, arg := range image.all("ARG") {
		name, _, _ := strings.Cut(arg, "=")
		declared[name] = true
	}
	labels := map[string]string{}
	for _, match := range regexp.MustCompile(`org\.opencontainers\.image\.(\w+)="([^"]*)"`).FindAllStringSubmatch(strings.Join(image.all("LABEL"), " "), -1) {
		labels[match[1]] = os.Expand(match[2], func(name string) string {
			if !declared[name] {
				t.Errorf("the label %s needs ARG %s in its own stage", match[1], name)
			}
			return given[name]
		})
	}
	for name, want := range map[string]string{
		"title": "agentdisconnect", "licenses": "Apache-2.0",
		"version": given["VERSION"], "revision": given["REVISION"], "source": given["SOURCE"],
	} {
		if labels[name] != want {
			t.Errorf("the label %s is %q, want %q", name, labels[name], want)
		}
	}
	if labels["description"] == "" {
		t.Error("the image has no description")
	}
}

var buildArg = regexp.MustCompile(`--build-arg (\w+)=`)

// TestMakeGivesEachArgument keeps the labels from being those of the defaults. An ARG that is not declared would be dropped.
func TestMakeGivesEachArgument(t *testing.T) {
	declared := map[string]bool{}
	for _, stage := range stages(t) {
		for _, arg := range stage.all("ARG") {
			name, _, _ := strings.Cut(arg, "=")
			declared[name] = true
		}
	}
	for _, target := range []string{"docker-build", "docker-buildx"} {
		cmd := exec.CommandContext(t.Context(), "make", "--dry-run", target, "IMG=registry.example/agentdisconnect:v1", "PLATFORM=linux/arm64", "VERSION=v1")
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		for _, want := range []string{"--build-arg VERSION=v1 ", "--build-arg REVISION=", "--build-arg SOURCE=https://", "--build-arg DOCS=", "linux/arm64", "-t registry.example/agentdisconnect:v1"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("make %s lacks %s:\n%s", target, want, out)
			}
		}
		for _, match := range buildArg.FindAllSubmatch(out, -1) {
			if !declared[string(match[1])] {
				t.Errorf("make %s gives the argument %s, and the Dockerfile has no such ARG", target, match[1])
			}
		}
	}
}

// requireStatic fails on a binary that asks for a dynamic loader: the image has none.
func requireStatic(t *testing.T, binary string) {
	t.Helper()
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Errorf("%s is linked dynamically", filepath.Base(binary))
		}
	}
}
