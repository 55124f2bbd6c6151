package main

import (
	"cmp"
	"os"

	"github.com/denofn/denofn/daemon"
)

// configFromEnvironment returns the configuration file of a command line that
// names none.
func configFromEnvironment() string {
	return cmp.Or(os.Getenv("DENOFN_CONFIG"), daemon.DefaultConfigPath)
}
