package bundler

import (
	"path"
	"regexp"
)

var (
	usesFileName     = regexp.MustCompile(`\b__(?:dir|file)name\b`)
	declaresFileName = regexp.MustCompile(`\b(?:const|let|var|function|class)\s+__(?:dir|file)name\b|\bimport\.meta\b`)
)

// withFileName gives a CommonJS module the names __filename and __dirname, which
// Node has and a bundle does not, where it uses them. They are of no real place:
// the files beside the module are not on the machine that runs the bundle. They
// go before the module on its first line, so that the lines stay where they are.
func withFileName(content []byte, name string) []byte {
	if !usesFileName.Match(content) || declaresFileName.Match(content) {
		return content
	}
	if len(content) > 1 && content[0] == '#' && content[1] == '!' {
		content = append([]byte("//"), content...)
	}
	at := "/npm/" + name
	return append([]byte("var __filename = "+quote(at)+", __dirname = "+quote(path.Dir(at))+"; "), content...)
}
