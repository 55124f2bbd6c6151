package procman

import (
	"os"
	"path/filepath"
)

// V8's code cache saves a fifth of a cold start, and it is code: whoever can write
// it decides what a later process runs. So each release has a DENO_DIR of its own.
// The first process of the release fills it, which as a rule is the one that proves
// the release when it is deployed; all later ones find it read-only.
//
// The mark is set only when a process that filled the cache and became ready has
// ended, so that a cache that is half written is not taken for whole.
const filledMark = ".filled"

func isFilled(cacheDir string) bool {
	_, err := os.Stat(filepath.Join(cacheDir, filledMark))
	return err == nil
}

func markFilled(cacheDir string) error {
	return os.WriteFile(filepath.Join(cacheDir, filledMark), nil, 0o600)
}
