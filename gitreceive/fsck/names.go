package fsck

import (
	"strings"
	"unicode/utf8"
)

// isDotGit reports whether a name is .git to a file system that does not tell
// letters apart by case, to NTFS, or to HFS+. Windows also takes a backslash as
// the end of a folder's name.
func isDotGit(name string) bool {
	return isNTFS(name, "git", "git~1") || isHFS(name, ".git") || throughBackslash(name, func(part string) bool {
		return isNTFS(part, "git", "git~1")
	})
}

// isDotGitmodules is isDotGit for .gitmodules.
func isDotGitmodules(name string) bool {
	check := func(part string) bool { return isNTFSLong(part, "gitmodules", "gi7eba") }
	return check(name) || isHFS(name, ".gitmodules") || throughBackslash(name, check)
}

func throughBackslash(name string, check func(string) bool) bool {
	for {
		_, rest, ok := strings.Cut(name, `\`)
		if !ok {
			return false
		}
		if check(rest) {
			return true
		}
		name = rest
	}
}

// isNTFS reports whether NTFS takes name as "." + word or as short, its old form
// in 8.3: in any case, with dots and spaces behind it, or a stream.
func isNTFS(name, word, short string) bool {
	for _, form := range []string{"." + word, short} {
		if len(name) >= len(form) && strings.EqualFold(name[:len(form)], form) && endsOnNTFS(name[len(form):]) {
			return true
		}
	}
	return false
}

// endsOnNTFS reports whether NTFS ignores what follows a name.
func endsOnNTFS(rest string) bool {
	rest = strings.TrimLeft(rest, " .")
	return rest == "" || rest[0] == ':' || rest[0] == '\\'
}

// isNTFSLong is isNTFS for a word of more than eight letters. Its short form is
// its first six letters and a number up to 4, or else a start of hash with a
// number.
func isNTFSLong(name, word, hash string) bool {
	if isNTFS(name, word, word[:6]+"~1") {
		return true
	}
	if len(name) < 8 {
		return false
	}
	short, rest := strings.ToLower(name[:8]), name[8:]
	if !endsOnNTFS(rest) {
		return false
	}
	if short[:6] == word[:6] && short[6] == '~' && short[7] >= '1' && short[7] <= '4' {
		return true
	}
	return isHashedShort(short, hash)
}

// isHashedShort reports whether short is a start of hash, a tilde and a number
// that fill eight letters.
func isHashedShort(short, hash string) bool {
	tilde := strings.IndexByte(short, '~')
	if tilde < 0 || tilde > len(hash) || short[:tilde] != hash[:tilde] {
		return false
	}
	digits := short[tilde+1:]
	if digits == "" || digits[0] == '0' {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// isHFS reports whether HFS+ takes name as word: in any case, and with characters
// in it that it ignores.
func isHFS(name, word string) bool {
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && size <= 1 {
			return false
		}
		if !ignoredOnHFS(r) {
			if word == "" || r > 127 || lower(byte(r)) != word[0] {
				return false
			}
			word = word[1:]
		}
		name = name[size:]
	}
	return word == ""
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func ignoredOnHFS(r rune) bool {
	switch {
	case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
		return true
	}
	return false
}
