// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// archive is the plugin for one platform.
type archive struct {
	OS, Arch string
	// Binary is the name of the program in the archive.
	Binary string
	// URL is where it is downloaded from.
	URL, SHA256 string
	name        string
}

// mode is that of each file: the two programs must be executable, and the licence may be.
const mode = 0o755

// writeTar packs files, all with the same time and owner, so that the bytes follow from their content.
func writeTar(path string, files []string, at time.Time) error {
	return create(path, func(out io.Writer) error {
		packed := gzip.NewWriter(out)
		w := tar.NewWriter(packed)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			header := &tar.Header{Name: filepath.Base(file), Mode: mode, Size: int64(len(content)), ModTime: at, Format: tar.FormatUSTAR}
			if err := w.WriteHeader(header); err != nil {
				return err
			}
			if _, err := w.Write(content); err != nil {
				return err
			}
		}
		return errors.Join(w.Close(), packed.Close())
	})
}

// writeZip does for Windows what writeTar does for the others.
func writeZip(path string, files []string, at time.Time) error {
	return create(path, func(out io.Writer) error {
		w := zip.NewWriter(out)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			header := &zip.FileHeader{Name: filepath.Base(file), Method: zip.Deflate, Modified: at}
			header.SetMode(mode)
			entry, err := w.CreateHeader(header)
			if err != nil {
				return err
			}
			if _, err := entry.Write(content); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

func create(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// checksum is a file's SHA-256 in hex.
func checksum(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
