// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// krewPlugin is what krew reads of a manifest.
type krewPlugin struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version, Homepage, ShortDescription, Description, Caveats string
		Platforms                                                 []struct {
			Selector struct {
				MatchLabels map[string]string
			}
			URI, Sha256, Bin string
			Files            []struct{ From, To string }
		}
	}
}

func TestTheManifestFitsTheArchives(t *testing.T) {
	g := NewWithT(t)
	r, archives := packed(t, time.Unix(1_800_000_000, 0).UTC())
	path := filepath.Join(r.dir, "agentdisconnect.yaml")
	g.Expect(r.writeManifest(path, archives)).To(Succeed())
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	var manifest krewPlugin
	g.Expect(yaml.UnmarshalStrict(content, &manifest)).To(Succeed())

	g.Expect(manifest.APIVersion).To(Equal("krew.googlecontainertools.github.com/v1alpha2"))
	g.Expect(manifest.Kind).To(Equal("Plugin"))
	g.Expect(manifest.Metadata.Name).To(Equal("agentdisconnect"), "the name of the file, and of the command")
	g.Expect(manifest.Spec.Version).To(Equal("v1.2.3"))
	g.Expect(len(manifest.Spec.ShortDescription)).To(BeNumerically("<=", 50), "krew's guide")
	g.Expect(manifest.Spec.Platforms).To(HaveLen(2))
	for i, platform := range manifest.Spec.Platforms {
		g.Expect(platform.Selector.MatchLabels).To(Equal(map[string]string{"os": archives[i].OS, "arch": archives[i].Arch}))
		g.Expect(platform.URI).To(Equal("https://example.com/agentdisconnect/releases/download/v1.2.3/" + archives[i].name))
		sum, err := checksum(filepath.Join(r.dir, archives[i].name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(platform.Sha256).To(Equal(sum))
		files := unpacked(t, filepath.Join(r.dir, archives[i].name))
		g.Expect(files).To(HaveKey(platform.Bin))
		g.Expect(files[platform.Bin].Perm()&0o111).NotTo(BeZero(), "krew runs it")
		for _, file := range platform.Files {
			g.Expect(files).To(HaveKey(file.From))
		}
	}
}

func TestTheSameContentGivesTheSameArchives(t *testing.T) {
	g := NewWithT(t)
	at := time.Unix(1_800_000_000, 0).UTC()
	_, first := packed(t, at)
	_, second := packed(t, at)
	g.Expect(second).To(Equal(first))
	_, later := packed(t, at.Add(time.Hour))
	g.Expect(later[0].SHA256).NotTo(Equal(first[0].SHA256), "the time of the commit is in the archive")
}

func TestWhatIsNoReleaseIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ version, source, docs, want string }{
		"no version":             {"", "https://example.com", "", `-version is "": it must be a semantic version`},
		"without the v":          {"0.1.0", "https://example.com", "", `-version is "0.1.0"`},
		"of a commit":            {"40ea183-dirty", "https://example.com", "", `-version is "40ea183-dirty"`},
		"no source":              {"v0.1.0", "example.com", "", `-source is "example.com"`},
		"docs without the slash": {"v0.1.0", "https://example.com", "https://example.com/blob/v0.1.0", `-docs is "https://example.com/blob/v0.1.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := &release{Version: tc.version, Source: tc.source, Docs: tc.docs, dir: t.TempDir()}
			NewWithT(t).Expect(r.write(t.Context(), nil)).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}

// The linker ignores -X for a variable that does not exist.
func TestTheStampsAreThoseOfTheMakefile(t *testing.T) {
	g := NewWithT(t)
	makefile, err := os.ReadFile("../../Makefile")
	g.Expect(err).NotTo(HaveOccurred())
	r := &release{Version: "$(VERSION)", Docs: "$(DOCS)"}
	g.Expect(string(makefile)).To(ContainSubstring("\nLDFLAGS := " + r.stamps() + "\n"))
}

func TestTheCheckOfATagHasTheSamePattern(t *testing.T) {
	g := NewWithT(t)
	check, err := os.ReadFile("check.sh")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(check)).To(ContainSubstring("=~ " + version.String() + " ]]"))
}

// packed packs files that stand for the programs, for two platforms.
func packed(t *testing.T, at time.Time) (*release, []archive) {
	t.Helper()
	r := &release{Version: "v1.2.3", Source: "https://example.com/agentdisconnect", time: at, dir: t.TempDir()}
	files := t.TempDir()
	var archives []archive
	for _, each := range []archive{{OS: "linux", Arch: "arm64", Binary: plugin}, {OS: "windows", Arch: "amd64", Binary: plugin + ".exe"}} {
		binary := filepath.Join(files, each.Binary)
		if err := os.WriteFile(binary, []byte("a program for "+each.OS), 0o600); err != nil {
			t.Fatal(err)
		}
		made, err := r.pack(each, []string{binary, "../../LICENSE"})
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, made)
	}
	return r, archives
}

// unpacked has the modes of the files in an archive.
func unpacked(t *testing.T, path string) map[string]fs.FileMode {
	t.Helper()
	modes := map[string]fs.FileMode{}
	if filepath.Ext(path) == ".zip" {
		r, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, file := range r.File {
			modes[file.Name] = file.Mode()
		}
		return modes
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(plain); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return modes
		} else if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.FileInfo().Mode()
	}
}
