package gitreceive

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/crypto/ssh"
)

// openHostKey reads the server's key, or makes it.
func openHostKey(path string) (_ ssh.Signer, made bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		made = true
		text, err = makeHostKey(path)
	}
	if err != nil {
		return nil, false, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, false, &fs.PathError{Op: "parse", Path: path, Err: err}
	}
	return signer, made, nil
}

func makeHostKey(path string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "denofn")
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	return text, writeFileMode(path, 0o600, func(w *bufio.Writer) { w.Write(text) })
}
